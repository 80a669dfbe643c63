"""A study whose features were computed elsewhere (no model is loaded), and pieces that fail, for tests on a cluster."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import soundfile

from heschl.study.analyses.analysis import Analysis, Stage
from heschl.study.work.cache import Piece, Progress
from heschl.timing.grid import FrameGrid
from tiny_cohort import VOCABULARY, write_responses

N_LAYERS, WIDTH = 3, 40
STUDY = """
name = "Elsewhere"
preset = "chen2024"
[stimuli]
sounds = "stimuli/*.wav"
words = "words.csv"
[responses]
tail = "crop"
[responses.subjects]
S1 = "S1.npz"
S2 = "S2.npz"
[grid]
rate = 50.0
[features.frames]
kind = "frame_arrays"
folder = "frames"
rate = 50.0
[features.rows]
kind = "word_arrays"
folder = "rows"
[features.static]
kind = "words"
file = "vectors.txt"
[encoding]
tmax = 0.08
alphas = [1.0, 1e2, 1e4]
folds = 3
[shared]
speech = "frames"
language = "rows"
semantic = "static"
n_components = 2
layer_map = true
[word_lags]
spaces = ["rows"]
"""


def write_arrays_cohort(folder: Path, n_stimuli: int = 11) -> Path:
    """Write sounds, words, responses, features and study.toml; give the study.toml."""
    rng = np.random.default_rng(0)
    for name in ("stimuli", "frames", "rows"):
        (folder / name).mkdir(parents=True)
    lines, envelopes, grid = ["stimulus,word,start,end"], {}, FrameGrid.from_rate(50.0)
    for i in range(n_stimuli):
        seconds = 1.2 + 0.05 * i
        gain = np.repeat(rng.uniform(0.02, 1, 60), 800)[: round(seconds * 16000)]
        soundfile.write(folder / "stimuli" / f"s{i}.wav", gain * rng.normal(0, 0.1, gain.size), 16000)
        envelopes[f"s{i}"] = gain[::160]
        for j, word in enumerate(rng.choice(VOCABULARY, 5)):
            lines.append(f"s{i},{word},{0.2 * j:.2f},{0.2 * j + 0.15:.2f}")
        n_frames = grid.n_frames(len(gain) / 16000)
        np.save(folder / "frames" / f"s{i}.npy", rng.standard_normal((N_LAYERS, n_frames, WIDTH), dtype=np.float32))
        np.save(folder / "rows" / f"s{i}.npy", rng.standard_normal((N_LAYERS, 5, WIDTH), dtype=np.float32))
    (folder / "words.csv").write_text("\n".join(lines) + "\n")
    rows = [f"{word} " + " ".join(f"{x:.3f}" for x in rng.normal(size=5)) for word in VOCABULARY]
    (folder / "vectors.txt").write_text("\n".join(rows) + "\n")
    for subject in ("S1.npz", "S2.npz"):
        write_responses(folder / subject, envelopes, rng)
    (folder / "study.toml").write_text(STUDY)
    return folder / "study.toml"


def assert_same_pieces(cache: Path, expected: Path, analysis: str = "[!.]*", *, beside: bool = False) -> None:
    """Every piece is there (others beside them, or not), and equal to the last bit; of all analyses, or of one."""
    names, found = (
        {path.relative_to(folder) for path in folder.glob(f"{analysis}/**/*.npz")} for folder in (expected, cache)
    )
    assert names and (names <= found if beside else found == names), f"{found ^ names}"
    for name in names:
        assert (cache / name).read_bytes() == (expected / name).read_bytes(), name


class Scripted(Analysis):
    """An analysis of pieces that do what their names say."""

    name: ClassVar[str] = "scripted"
    variable: ClassVar[str] = "none"

    def __init__(self, folder: Path, *scripts: str) -> None:
        self.pieces = [Piece(f"scripted/{script}.txt", "0" * 16, partial(play, script, folder)) for script in scripts]

    def wanted(self, study: Any) -> bool:
        return True

    def stages(self, session: Any) -> list[Stage]:
        return [Stage("scripted", tuple(self.pieces))]

    def costs(self, session: Any, known: Any) -> list[Any]:
        return []

    def add(self, results: Any, session: Any) -> Any:
        return results


def play(script: str, folder: Path, path: Path, progress: Progress) -> None:
    """Do what a script says, and leave a mark for each time that it was begun."""
    begun = len(list(folder.glob(f"{script}-begun-*")))
    (folder / f"{script}-begun-{begun}-{os.getpid()}").touch()
    if script.startswith("wrong") or (script.startswith("once") and begun == 0):
        raise ValueError(f"{script} cannot be made")
    if script.startswith("dies") and begun == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if script.startswith("hungry"):
        taken = []
        while True:
            taken.append(np.ones(1 << 25))
            time.sleep(0.05)
    if script.startswith("slow"):
        time.sleep(0.2)
    path.write_text(script)


class KillerOfWorkers(threading.Thread):
    """Sends SIGKILL to one worker of a cluster after the other, at random times, until so many were killed."""

    def __init__(self, client: Any, count: int, chance: random.Random) -> None:
        super().__init__()
        self.client, self.count, self.chance = client, count, chance
        self.over, self.killed = threading.Event(), set[int]()

    def run(self) -> None:
        while len(self.killed) < self.count and not self.over.wait(self.chance.uniform(0.1, 0.8)):
            workers = self.client.cluster.workers.values()  # nannies, which live in this process
            alive = [nanny.pid for nanny in workers if nanny.pid is not None and nanny.pid not in self.killed]
            if alive:
                pid = self.chance.choice(alive)
                os.kill(pid, signal.SIGKILL)
                self.killed.add(pid)

    def __enter__(self) -> KillerOfWorkers:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()
