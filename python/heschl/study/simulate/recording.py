"""A raw recording as files: sounds, channels, the truth, and the recording.toml that prepares it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from heschl.checks import InputError
from heschl.ecog.recording.writers import write_recording
from heschl.ecog.simulate import AUDIO, simulate_recording
from heschl.names import plain_table
from heschl.study.simulate import sound, text

N_SENTENCES = 10

RECORDING = """\
# A simulated recording: every file here was made by `heschl ecog simulate`, with a known truth (truth.csv).
subject = "S1"
file = "{file}"
out = "S1.zarr"
events = "events.csv"
electrodes = "electrodes.csv"
audio = "{audio}"
sounds = "stimuli/*.wav"

[clean]
reference = "none"
"""


def simulate_raw(out: Path, *, format: str = "bids", seed: int = 0, n_repeats: int = 4) -> Path:
    """Write a recording of one subject who hears ten sentences, four times each.

    Parameters
    ----------
    out : Path
        A folder that does not exist yet or is empty.
    format : str
        See `heschl.ecog.recording.writers.write_recording`.
    seed : int
    n_repeats : int

    Returns
    -------
    Path
        The recording.toml; beside it stimuli/*.wav, the recording, events.csv, electrodes.csv and truth.csv (what each
        electrode is, and the latency at which it follows the sound, s).

    Raises
    ------
    InputError
        For a folder that holds something.
    """
    import pandas as pd
    import soundfile

    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("--out", f"{out}, which exists", "a new or an empty folder", "Choose another name.")
    (out / "stimuli").mkdir(parents=True)
    lexicon_rng, sentence_rng, voice = np.random.default_rng(seed).spawn(3)
    lexicon = text.make_lexicon(lexicon_rng)
    sounds = {}
    for i, sentence in enumerate(text.make_sentences(lexicon, N_SENTENCES, sentence_rng)):
        stress = text.accents(len(sentence.words))
        audio, _ = sound.speak([lexicon.words[index] for index in sentence.words], stress, voice)
        sounds[f"sentence{i:02d}"] = audio
        soundfile.write(out / "stimuli" / f"sentence{i:02d}.wav", audio, sound.SFREQ, subtype="PCM_16")
    recording, truth = simulate_recording(sounds, sound.SFREQ, n_repeats=n_repeats, seed=seed)
    path = write_recording(recording, out / "raw", format, name="S1")
    plain_table(recording.events).to_csv(out / "events.csv", index=False)
    plain_table(recording.electrodes.rename_axis("name")).to_csv(out / "electrodes.csv")
    kinds = {**dict.fromkeys(truth.driven, "driven"), **dict.fromkeys(truth.silent, "silent")}
    latency = dict(zip(truth.driven, truth.latencies.tolist(), strict=True))
    rows = [(name, kinds.get(str(name), "bad"), latency.get(str(name))) for name in recording.electrodes.index]
    pd.DataFrame(rows, columns=["name", "kind", "latency"]).to_csv(out / "truth.csv", index=False)
    settings = out / "recording.toml"
    settings.write_text(RECORDING.format(file=path.relative_to(out).as_posix(), audio=AUDIO), encoding="utf-8")
    return settings
