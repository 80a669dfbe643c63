"""Feature spaces: the hidden states of speech and language models, word vectors, the mel spectrum.

Modules: `speech` and `language` (transformers models), `words` (GloVe-format vectors), `acoustic` (mel
spectrum), `convert_whisper` (an OpenAI Whisper checkpoint as a transformers folder). Each is imported by its
own name, so that torch and transformers load only where a model is used.
"""
