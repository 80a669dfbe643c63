"""A small study, and eighty mistakes that people make in its files and its study.toml, each with what is said of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

STUDY = """
name = "Tiny"
[stimuli]
sounds = "stimuli/*.wav"
words = "words.csv"
[responses]
tail = "crop"
[responses.subjects]
S1 = "S1.npz"
S2 = "S2.npz"
[responses.groups]
stg = "STG*"
[grid]
model = "hubert"
[features.mel]
kind = "mel"
[features.hubert]
kind = "speech"
model = "models/hubert"
[features.gpt]
kind = "language"
model = "models/gpt"
[features.own]
kind = "frame_arrays"
folder = "own"
rate = 50.0
[features.glove]
kind = "words"
file = "glove.txt"
[encoding]
tmax = 0.2
alphas = { low = 1e1, high = 1e5, n = 3 }
folds = 3
[shared]
speech = "hubert"
language = "gpt"
n_components = 4
"""
HUBERT = {"model_type": "hubert", "hidden_size": 8, "num_hidden_layers": 2, "conv_stride": [5, 2, 2, 2, 2, 2, 2],
          "conv_kernel": [10, 3, 3, 3, 3, 2, 2], "vocab_size": 32}  # fmt: skip
GPT = {"model_type": "gpt2", "n_embd": 8, "n_layer": 2, "n_positions": 32, "vocab_size": 9}
RATE = 100.0


def toml(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        assert old in STUDY
        (folder / "study.toml").write_text(STUDY.replace(old, new, 1))

    return change


def responses(**changes: Callable[[Any], Any]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with np.load(folder / "S1.npz") as arrays:
            kept = dict(arrays)
        for key, made in changes.items():
            kept[key] = made(kept.get(key, kept))
        np.savez(folder / "S1.npz", **{key: value for key, value in kept.items() if value is not None})

    return change


def words(change_row: Callable[[str, str, float, float], str]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        head, *rows = (folder / "words.csv").read_text().splitlines()
        cells = [row.split(",") for row in rows]
        lines = [change_row(name, word, float(start), float(end)) for name, word, start, end in cells]
        (folder / "words.csv").write_text("\n".join([head, *lines]) + "\n")

    return change


def config(model: str, **changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "models" / model / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def each(*changes: Callable[[Path], Any]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def timit(folder: Path) -> None:
    for i, path in enumerate((folder / "stimuli").glob("*.wav")):
        path.with_suffix(".wrd").write_text(f"{800 + 32 * i} 4000 word0\n3900 8000 word1\n")
    toml('words = "words.csv"', 'words = "stimuli/*.wrd"')(folder)


def three_d(arrays: Any) -> Any:
    """Trials filled up with zeros, and no lengths."""
    lengths = arrays["lengths"]
    out = np.zeros((len(lengths), lengths.max(), 3))
    for row, trial in zip(out, np.split(arrays["responses"], np.cumsum(lengths)[:-1]), strict=True):
        row[: len(trial)] = trial
    return out


def padded(folder: Path) -> None:
    with np.load(folder / "S1.npz") as arrays:
        kept = dict(arrays)
    kept["responses"] = three_d(kept)
    del kept["lengths"]
    np.savez(folder / "S1.npz", **kept)


def resampled(factor: float) -> Callable[[Path], None]:
    """Responses at another rate, and the sfreq of before."""

    def change(folder: Path) -> None:
        with np.load(folder / "S1.npz") as arrays:
            kept = dict(arrays)
        lengths = np.round(kept["lengths"] * factor).astype(int)
        rng = np.random.default_rng(1)
        np.savez(folder / "S1.npz", **{**kept, "lengths": lengths, "responses": rng.normal(size=(lengths.sum(), 3))})

    return change


def cut_short(folder: Path) -> None:
    with np.load(folder / "S1.npz") as arrays:
        kept = dict(arrays)
    np.savez(folder / "S1.npz", **{**kept, "lengths": np.full(10, 20), "responses": kept["responses"][:200]})


def with_baseline(folder: Path) -> None:
    """Half a second of rest before each onset, and nothing that says so."""
    with np.load(folder / "S1.npz") as arrays:
        kept = dict(arrays)
    rest = np.random.default_rng(2).normal(size=(50, 3))
    trials = np.split(kept["responses"], np.cumsum(kept["lengths"])[:-1])
    responses = np.concatenate([part for trial in trials for part in (rest, trial)])
    np.savez(folder / "S1.npz", **{**kept, "responses": responses, "lengths": kept["lengths"] + 50})


def arrays(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def made(folder: Path) -> None:
        for path in (folder / "own").iterdir():
            np.save(path, change(np.load(path)))

    return made


def sounds(change: Callable[[Any], tuple[Any, int]], names: str = "*") -> Callable[[Path], None]:
    def made(folder: Path) -> None:
        for path in (folder / "stimuli").glob(f"{names}.wav"):
            soundfile.write(path, *change(soundfile.read(path)[0]))

    return made


def labelled(folder: Path) -> None:
    rows = (folder / "words.csv").read_text().splitlines()
    (folder / "words.csv").write_text("\n".join([*rows, "s0,sp,0.85,0.89", "s1,sp,0.9,0.95"]) + "\n")


MISTAKES: dict[str, tuple[Callable[[Path], Any], str, tuple[str, ...]]] = {
    # words
    "words in ms": (
        words(lambda n, w, a, b: f"{n},{w},{1e3 * a:.0f},{1e3 * b:.0f}"), "error", ("milliseconds", "1000")),
    "words in samples": (
        words(lambda n, w, a, b: f"{n},{w},{16000 * a:.0f},{16000 * b:.0f}"), "error", ("16 kHz", "16000")),
    "words in samples of another rate": (
        words(lambda n, w, a, b: f"{n},{w},{44100 * a:.0f},{44100 * b:.0f}"), "error", ("44.1 kHz",)),
    "start and end exchanged": (words(lambda n, w, a, b: f"{n},{w},{b},{a}"), "error", ("exchanged", "rename")),
    "durations for ends": (words(lambda n, w, a, b: f"{n},{w},{a},{b - a:.3f}"), "error", ("durations", "start +")),
    "times of the recording": (
        words(lambda n, w, a, b: f"{n},{w},{a + 3 * (1 + int(n[1:])):.2f},{b + 3 * (1 + int(n[1:])):.2f}"), "error",
        ("start of the recording", "subtract")),
    "names of words without their folder": (
        words(lambda n, w, a, b: f"timit/{n},{w},{a},{b}"), "error", ("timit/s0", "meant for 's0'")),
    "words that overlap": (
        words(lambda n, w, a, b: f"{n},{w},{a},{b + 0.1:.2f}"), "error", ('overlaps = "cut"', "such places")),
    "words past the end": (words(lambda n, w, a, b: f"{n},{w},{1.3 * a:.3f},{1.3 * b:.3f}"), "error",
                           ("within the sound",)),
    "no word at all": (
        lambda folder: (folder / "words.csv").write_text("stimulus,word,start,end\nother,so,0.1,0.2\n"), "error",
        ("'other'", "is a sound")),
    "a column of another name": (
        lambda folder: (folder / "words.csv").write_text("stimulus,word,onset,offset\ns0,so,0.1,0.2\n"), "error",
        ("'start'",)),
    # responses
    "sfreq ten times too high": (resampled(0.1), "error", ("sfreq", "10")),
    "sfreq ten times too low": (resampled(10.0), "error", ("sfreq", "1000")),
    "responses far shorter than sounds": (cut_short, "error", ("last 0.1", "sfreq")),
    "positions in mm": (responses(positions=lambda p: 1e3 * p), "error", ("mm", "divide")),
    "a group that is empty": (toml('"STG*"', '"stg*"'), "error", ("responses.groups.stg", "STG1")),
    "no electrode": (responses(electrodes=lambda e: e[:0], responses=lambda r: r[:, :0], positions=lambda p: p[:0]),
                     "error", ("electrodes",)),
    "an electrode that is dead": (
        responses(responses=lambda r: r * [1.0, 0.0, 1.0]), "warning", ("STG2", "never change")),
    "trials filled up": (padded, "error", ("lengths", "constant to their end")),
    "stimuli without a sound": (responses(stimuli=lambda s: [f"S{n[1:]}" for n in s]), "error",
                                ("10 names", "upper and lower case")),
    "stimuli in another order": (
        responses(stimuli=lambda s: s[[5, 2, 9, 0, 7, 1, 8, 4, 3, 6]]), "warning", ("another order",)),
    "one file for two subjects": (toml('"S2.npz"', '"S1.npz"'), "error", ("subject S1", "a file of its own")),
    "a file of another name": (toml('"S2.npz"', '"S_2.npz"'), "error", ("S_2.npz", "'S2.npz'")),
    "NaN": (responses(responses=lambda r: np.where(np.arange(r.size).reshape(r.shape) == 7, np.nan, r)), "error",
            ("NaN", 'missing = "mask"')),
    "fewer stimuli than folds": (toml("folds = 3", "folds = 12"), "error", ("12", "different stimuli")),
    # settings
    "tmax in ms": (toml("tmax = 0.2", "tmax = 200"), "error", ("encoding.tmax", "tmax = 0.2")),
    "lags of half a frame": (toml("tmax = 0.2", "tmax = 0.19"), "warning", ("9.5 frames", "write tmax")),
    "lags longer than trials": (toml("tmax = 0.2", "tmax = 3.0"), "error", ("longest trial",)),
    "a mel window in ms": (toml('kind = "mel"', 'kind = "mel"\nwindow = 25.0'), "error", ("window = 0.025",)),
    "fmax in kHz": (toml('kind = "mel"', 'kind = "mel"\nfmax = 8.0'), "error", ("fmax = 8000",)),
    "low above high": (toml("low = 1e1, high = 1e5", "low = 1e5, high = 1e1"), "error", ("Exchange",)),
    "the rate of the sound for the grid's": (
        toml('[grid]\nmodel = "hubert"', "[grid]\nrate = 8000.0"), "warning", ("grid.rate", "frames")),
    "a grid in kHz": (toml('[grid]\nmodel = "hubert"', "[grid]\nrate = 0.05"), "error", ("grid.rate", "rate = 50")),
    "a mel spectrum above all sound": (toml('kind = "mel"', 'kind = "mel"\nfmin = 9000.0'), "error", ("fmin", "8000")),
    "sounds of another suffix": (toml("*.wav", "*.flac"), "error", ("*.flac", "*.wav")),
    "an unknown key and a wrong value": (toml("folds = 3", 'folds = "3"\nalpha = 1'), "error", ("alphas", "folds")),
    # models and arrays
    "context beyond the model's limit": (
        toml('model = "models/gpt"', 'model = "models/gpt"\ncontext = "story"\nwindow = 512'), "error",
        ("512", "window = 32")),
    "a speech model as language": (
        each(toml('model = "models/gpt"', 'model = "models/hubert"')), "error", ("hubert", 'kind = "speech"')),
    "a language model as speech": (
        lambda folder: shutil.copy(folder / "models/gpt/config.json", folder / "models/hubert/config.json"), "error",
        ("gpt2", 'kind = "language"')),
    "a masked model without leave": (config("gpt", model_type="bert"), "error", ("bidirectional = true",)),
    "a folder that is near": (toml('"models/gpt"', '"models/gtp"'), "error", ("models/gtp", "'gpt'")),
    "a folder that is no model": (toml('"models/gpt"', '"models"'), "error", ("without", "There is one in")),
    "components beyond rank": (toml("n_components = 4", "n_components = 50"), "error", ("at most 8", "n_components")),
    "more columns than words": (
        each(toml("n_components = 4", 'n_components = 4\nlevel = "words"'), config("gpt", n_embd=64)), "error",
        ("columns", "pca =", "reg")),
    "frame arrays of another rate": (toml("rate = 50.0", "rate = 100.0"), "error", ("rate = 5",)),
    "frame arrays that lack one": (lambda folder: (folder / "own/s3.npy").unlink(), "error", ("1 of 10", "s3")),
    "an electrode of NaN": (responses(responses=lambda r: r * [1.0, np.nan, 1.0]), "error",
                            ("NaN", 'missing = "mask"', 'exclude = ["STG2"]')),
    "an electrode without a response": (
        each(responses(responses=lambda r: r * [1.0, np.nan, 1.0]), toml('"crop"', '"crop"\nmissing = "mask"')),
        "error", ("1 electrode without any response", 'exclude = ["STG2"]')),
    "frame arrays with NaN": (
        lambda folder: np.save(folder / "own/s0.npy", np.full((2, 45, 6), np.nan, np.float32)), "error",
        ("features.own", "NaN", "s0")),
    "a layer that is not there": (toml('model = "models/gpt"', 'model = "models/gpt"\nlayers = [0, 7]'), "error",
                                  ("features.gpt.layers", "7", "0 to 2")),
    "a joint layer that is not there": (
        lambda folder: (folder / "study.toml").write_text(
            STUDY + '[joint.a]\nspaces = ["mel", "gpt"]\nlayers = { gpt = 9 }\n'
        ), "error", ("joint.a.layers.gpt", "0, 1, 2")),
    "a shared layer that is not there": (toml("n_components = 4", 'n_components = 4\nlayers = ["9", "1"]'), "error",
                                         ("shared.layers", "'9'", "hubert")),
    "more components than mel bands": (toml('kind = "mel"', 'kind = "mel"\npca = 500'), "warning",
                                       ("features.mel.pca", "80 features")),
    "a table of words of another name": (toml('"words.csv"', '"word.csv"'), "error", ("stimuli.words", "'words.csv'")),
    "a sound that is gone": (lambda folder: (folder / "stimuli/s4.wav").unlink(), "error", ("'s4'", "Put the sound")),
    "text without quotes": (toml('"crop"', "crop"), "error", ("line 7", "tail = crop", "quotes")),
    "a section twice": (toml("[features.glove]", "[features.mel]"), "error", ("twice", "name of its own")),
    "a path of Windows": (toml("stimuli/*", "stimuli\\*"), "error", ("Write paths with /",)),
    "a number in quotes": (toml("tmax = 0.2", 'tmax = "0.2 s"'), "error", ("encoding.tmax", "without a unit")),
    "one pattern for a list": (toml('"words.csv"', '"words.csv"\nonly = "s*"'), "error", ('only = ["s*"]',)),
    "a joint without a name": (
        lambda folder: (folder / "study.toml").write_text(STUDY + '[joint]\nspaces = ["mel", "gpt"]\n'), "error",
        ("[joint.NAME]",)),
    "a kind that is nearly one": (toml('kind = "mel"', 'kind = "Mel"'), "error", ("nearest is 'mel'",)),
    # of a second forty
    "every row twice": (
        lambda folder: (folder / "words.csv").write_text(
            (table := (folder / "words.csv").read_text()) + table.partition("\n")[2]
        ), "error", ("54 of 108 rows", "appended")),
    "labels of silence as words": (labelled, "warning", ("'sp' (2)", "Leave these rows out")),
    "words in capitals": (words(lambda n, w, a, b: f"{n},{w.upper()},{a},{b}"), "warning", ("capitals", "WORD0")),
    "decimal commas": (
        words(lambda n, w, a, b: f"{n},{w},{a},{b}".replace(".", ",")), "error", ("decimals", "with a point")),
    "a baseline before the onset": (with_baseline, "note", ("0.5 s longer", "`times`")),
    "the responses of another subject": (
        lambda folder: shutil.copy(folder / "S1.npz", folder / "S2.npz"), "error",
        ("subjects.S2", "the responses of S1")),
    "an artefact": (
        responses(responses=lambda r: np.where(np.arange(r.size).reshape(r.shape) == 7, 1e6, r)), "warning",
        ("STG2", "standard deviations", 'missing = "mask"')),
    "exponents for λ": (toml("low = 1e1, high = 1e5", "low = 1, high = 7"), "warning", ("low = 1e1, high = 1e7",)),
    "word2vec's binary form": (
        each(lambda folder: (folder / "v.bin").write_bytes(b"1 1\nso \0\0\0\0"), toml("glove.txt", "v.bin")), "error",
        ("save_word2vec_format",)),
    "vectors still packed": (
        each(lambda folder: (folder / "glove.zip").write_bytes(b"PK"), toml("glove.txt", "glove.zip")), "error",
        ("Unpack it",)),
    "arrays with their axes exchanged": (
        arrays(lambda a: a.transpose(1, 0, 2)), "error", ("another order", "moveaxis")),
    "arrays of whole numbers": (arrays(lambda a: a.astype(int)), "error", ("int64", "astype")),
    "arrays of another format": (
        lambda folder: [path.rename(path.with_suffix(".npz")) for path in (folder / "own").iterdir()], "error",
        (".npz files", "numpy.save")),
    "a silent sound": (sounds(lambda x: (0 * x, 16000), "s3"), "warning", ("1 silent sound", "s3", "stimuli.exclude")),
    "sounds of a telephone": (sounds(lambda x: (x[::2], 8000)), "warning", ("10 of 10 sounds at 8000 Hz", "fmax")),
    "a sound of no bytes": (lambda folder: (folder / "stimuli/s2.wav").write_bytes(b""), "warning", ("s2", "left out")),
    "a key in another section": (toml("[encoding]", '[encoding]\ncontext = "story"'), "error", ("features.NAME",)),
    "vectors of another language": (
        lambda folder: (folder / "glove.txt").write_text("mot 0.1 0.2\n"), "error",
        ("features.glove.file", "none of the study's", "the language that is spoken")),
    "vectors of few words": (
        lambda folder: (folder / "glove.txt").write_text("word0 0.1 0.2\n"), "warning",
        ("features.glove.file", "1 of 8 words", "% of what is spoken", "none of word1, word2")),
    "vectors of another name": (toml('"glove.txt"', '"glove.6B.txt"'), "error", ("glove.txt",)),
}  # fmt: skip
