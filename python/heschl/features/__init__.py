"""Feature spaces: hidden states of speech and language models, word vectors, acoustics; and where they are kept.

Modules: `speech` and `language` (transformers models), `words` (static word vectors), `acoustic` (mel spectrum,
envelope), `store` (features on disk), `convert_whisper` (an OpenAI Whisper checkpoint as a transformers folder). Each
is imported by its own name, so that torch and transformers load only where a model is used.
"""
