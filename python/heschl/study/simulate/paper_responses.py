"""Responses of the cohort at the paper's size: electrodes that follow the latents, electrodes that follow nothing.

The generative model is written out at the head of `heschl.study.simulate.paper`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve

from heschl.checks import InputError
from heschl.ecog import Responses, read_responses
from heschl.ecog.selection import speech_responsive
from heschl.study.simulate.paper_latents import LATENTS, RATE, Floats, Latent, PaperSize, Utterance
from heschl.study.simulate.responses import SPREAD, temporal_filter

if TYPE_CHECKING:
    import pandas as pd

N_REPEATED, N_TIMES = 10, 10
BEFORE = 25  # frames of a recording before the sound
SPEECH_ON = 1.5  # rise during speech, over the standard deviation of what latents drive
NOISE_MEMORY = 1.5  # frames


@dataclass(frozen=True)
class Region:
    """Where electrodes lie (mm, MNI, left), how many of those that respond, their ceiling, and what drives them."""

    middle: tuple[float, float, float]
    part: float
    ceiling: float
    shares: Mapping[Latent, float]


def _shares(*values: float) -> dict[Latent, float]:
    return dict(zip(LATENTS, values, strict=True))


REGIONS = {
    "A1": Region((-50.0, -20.0, 8.0), 0.15, 0.65, _shares(0.16, 0.10, 0.26, 0.28, 0.16, 0.04)),
    "STG": Region((-66.0, -22.0, 3.0), 0.45, 0.60, _shares(0.11, 0.14, 0.44, 0.14, 0.12, 0.05)),
    "MTG": Region((-65.0, -42.0, -6.0), 0.20, 0.50, _shares(0.06, 0.19, 0.53, 0.05, 0.09, 0.08)),
    "SMC": Region((-58.0, -8.0, 34.0), 0.10, 0.42, _shares(0.12, 0.11, 0.42, 0.16, 0.14, 0.05)),
    "SMG": Region((-60.0, -40.0, 30.0), 0.10, 0.38, _shares(0.10, 0.16, 0.46, 0.12, 0.10, 0.06)),
}


def choose_electrodes(folder: Path) -> pd.DataFrame:
    """Keep of recorded/*.npz the electrodes that respond to speech: S01.npz …, from the sound's onset on.

    Parameters
    ----------
    folder : Path
        The cohort's.

    Returns
    -------
    pandas.DataFrame
        A row per electrode, as `heschl.ecog.selection.speech_responsive` gives it, with its subject; also written to
        selection.csv.

    Raises
    ------
    InputError
        Where no electrode of a subject responds.
    """
    import pandas as pd

    tables = []
    for path in sorted((folder / "recorded").glob("*.npz")):
        recorded = read_responses(path, path.stem)
        table = speech_responsive(recorded)
        keep = table["selected"].to_numpy(bool)
        if not keep.any():
            raise InputError(f"subject {path.stem}", "no responsive electrode", "at least one", "Take a larger scale.")
        names = [name for name, kept in zip(recorded.electrodes, keep, strict=True) if kept]
        _save(
            folder / path.name, recorded, names, [trial[BEFORE:, keep] for trial in recorded.trials],
            (np.arange(max(map(len, recorded.trials)) - BEFORE) + 0.5) / RATE,
            {key: values[keep] for key, values in recorded.anatomy.items()},
        )  # fmt: skip
        tables.append(table.reset_index().assign(subject=path.stem))
    selection = pd.concat(tables, ignore_index=True)
    selection.to_csv(folder / "selection.csv", index=False)
    return selection


def electrode_counts(size: PaperSize, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Divide electrodes, and those that respond, among the subjects, unevenly: (all, responding) of each."""
    least = min(4, size.n_responding // size.n_subjects)
    weights = rng.dirichlet(np.full(size.n_subjects, 4.0))
    spare = size.n_electrodes - 2 * least * size.n_subjects
    every = 2 * least + rng.multinomial(spare, weights)
    responding = least + rng.multivariate_hypergeometric(every - least, size.n_responding - least * size.n_subjects)
    return [(int(n), int(m)) for n, m in zip(every, responding, strict=True)]


def write_recording(
    path: Path,
    subject: str,
    counts: tuple[int, int],
    names: list[str],
    sentences: list[Utterance],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Write the responses of one subject at all electrodes; give the truth about them."""
    import pandas as pd

    n, n_responding = counts
    responds = np.zeros(n, dtype=bool)
    responds[rng.choice(n, n_responding, replace=False)] = True
    region = rng.choice(list(REGIONS), n, p=[place.part for place in REGIONS.values()])
    places = [REGIONS[name] for name in region]
    positions = np.array([place.middle for place in places]) + SPREAD * rng.standard_normal((n, 3)) * (0.2, 1.0, 1.0)
    positions[:, 0] *= rng.choice([-1.0, 1.0])
    truth = pd.DataFrame(
        {
            "subject": subject,
            "electrode": [f"e{e + 1:03d}" for e in range(n)],
            "responds": responds,
            "region": region,
            "latency": np.where(responds, rng.uniform(0.06, 0.20, n), np.nan),
            "ceiling": [place.ceiling for place in places] * responds * rng.uniform(0.9, 1.1, n),
        }
    )
    shares = np.array([[place.shares[name] for name in LATENTS] for place in places]) * rng.uniform(
        0.7, 1.3, (n, len(LATENTS))
    )
    shares = responds[:, None] * shares / shares.sum(axis=1, keepdims=True)
    truth[list(LATENTS)] = shares
    driven = np.zeros((sum(len(utterance.of_word) for utterance in sentences), n), dtype=np.float32)
    driven[:, responds] = drive(sentences, truth.loc[responds, "latency"].to_numpy(), shares[responds], rng)
    bounds = np.cumsum([0, *(len(utterance.of_word) for utterance in sentences)])
    repeats = np.where(np.arange(len(names)) < N_REPEATED, N_TIMES, 1)
    order = rng.permutation(np.repeat(np.arange(len(names)), repeats))
    ceiling = truth["ceiling"].to_numpy()
    trials = []
    for i in order:
        signal = np.pad(driven[bounds[i] : bounds[i + 1]], ((BEFORE, 0), (0, 0)))
        noise = gaussian_filter1d(
            rng.standard_normal(signal.shape, dtype=np.float32), NOISE_MEMORY, axis=0, mode="wrap"
        )
        noise *= np.sqrt(2 * NOISE_MEMORY * np.sqrt(np.pi))
        trials.append(np.asarray(np.sqrt(ceiling) * signal + np.sqrt(1 - ceiling) * noise, dtype=np.float32))
    times = (np.arange(max(map(len, trials))) - BEFORE + 0.5) / RATE
    anatomy = {"region": region, **dict(zip("xyz", (positions / 1e3).T, strict=True))}
    heard = Responses(subject, tuple(truth["electrode"]), RATE, times[0], tuple(names[i] for i in order), tuple(trials))
    _save(path, heard, truth["electrode"].tolist(), trials, times, anatomy)
    return truth


def drive(
    sentences: list[Utterance], latencies: NDArray[np.float64], shares: NDArray[np.float64], rng: np.random.Generator
) -> Floats:
    """Return the noiseless responses of some electrodes to all sentences, joined: (n_frames, n), of unit variance.

    Parameters
    ----------
    sentences : list of Utterance
    latencies : (n,) array
        Peaks of the filters, s.
    shares : (n, latents) array
        Of variance, in the order of `LATENTS`.
    rng : Generator
        Of the weights.
    """
    kernels = np.stack([temporal_filter(latency, RATE) for latency in latencies], axis=1).astype(np.float32)

    def filtered(parts: list[Floats]) -> Floats:
        return np.concatenate([fftconvolve(part, kernels, axes=0)[: len(part)] for part in parts]).astype(np.float32)

    on = [
        np.repeat((utterance.of_word >= 0)[:, None], len(latencies), axis=1).astype(np.float32)
        for utterance in sentences
    ]
    total = SPEECH_ON * filtered(on)
    for name, share in zip(LATENTS, shares.T, strict=True):
        weights = rng.standard_normal((sentences[0].latents[name].shape[1], len(latencies))).astype(np.float32)
        part = filtered([utterance.latents[name] @ weights for utterance in sentences])
        total += np.asarray(np.sqrt(share) * part / part.std(axis=0), dtype=np.float32)
    return np.asarray(total / total.std(axis=0), dtype=np.float32)


def _save(
    path: Path,
    heard: Responses,
    electrodes: list[str],
    trials: list[Floats],
    times: NDArray[np.float64],
    anatomy: Mapping[str, NDArray[np.generic]],
) -> None:
    np.savez(
        path,
        responses=np.concatenate(trials),
        lengths=[len(trial) for trial in trials],
        stimuli=list(heard.stimuli),
        electrodes=electrodes,
        times=times,
        regions=anatomy["region"].astype(str),
        positions=np.stack([anatomy[axis] for axis in "xyz"], axis=1),
    )
