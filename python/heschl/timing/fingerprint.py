"""Which sounds are the same: copies that were resampled, trimmed, coded anew or made louder among many others.

Candidates come from fingerprints after Haitsma and Kalker (2002): the signs of the differences of energy between
neighbouring bands and frames, a few bits for each frame, which most copies share here and there. Each candidate pair is
then held against each other as waveforms: at the delay that fits best, copies correlate almost perfectly over what they
share; other takes of the same sentence do not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from heschl.timing.audio import read_mono, samples_digest, to_rate

RATE_HZ = 8_000
"""At which sounds are compared."""
FRAME, HOP, SPAN = 1_024, 64, 16
"""Samples of a frame and from one to the next; and frames between the two whose bits are taken together."""
BANDS_HZ = (300.0, 3_000.0)
BITS = 20
COMMON = 64
"""Places in all sounds at which the same bits may stand; bits that stand at more (of tones) tell nothing."""
VOTES = 3
"""Frames that must agree at one delay for two sounds to be held against each other."""
DELAYS = 4
"""Frames by which delays may differ and count as one."""
RISE = 1e-3
"""Share of a frame's energy by which a difference must rise to count: less is the rounding of what is silent."""
SILENT = 1e-8
"""Energy of a frame, relative to the sound's loudest, that is silence."""
FINER = 4
"""Parts of a sample to which delays are found: a copy's first sample may lie between two of the other's."""
LEAST_CORRELATION, LEAST_OVERLAP_S, LEAST_SHARE = 0.9, 0.25, 0.5


def same_sounds(paths: Mapping[str, str | Path]) -> list[tuple[str, ...]]:
    """Find the sounds that are the same, or nearly, under different names.

    Parameters
    ----------
    paths : mapping of str to path
        The files by name.

    Returns
    -------
    list of tuple of str
        Sets of two names or more, in the order of `paths`: files that decode to the same samples, and copies at another
        rate or level, coded with loss, or cut at either end (of which at least half, and 0.25 s, is shared). The time
        grows with the length of all sounds together, and with the pairs that are alike. Sounds of less than 0.3 s are
        the same only where their samples are.

    Raises
    ------
    InputError
        For a file that cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from heschl.timing import same_sounds
    >>> import tempfile, soundfile
    >>> noise = 0.1 * np.random.default_rng(0).standard_normal((2, 16000))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sounds = {"a": noise[0], "other": noise[1], "trimmed": 0.5 * noise[0][1000:]}
    ...     paths = {name: Path(folder, f"{name}.wav") for name in sounds}
    ...     for name, sound in sounds.items():
    ...         soundfile.write(paths[name], sound, 16000)
    ...     same_sounds(paths)
    [('a', 'trimmed')]
    """
    names = list(paths)
    leader = list(range(len(names)))  # of each sound the first that it is the same as

    def lead(i: int) -> int:
        while leader[i] != i:
            leader[i] = i = leader[leader[i]]
        return i

    first: dict[str, int] = {}
    sounds: dict[int, NDArray[np.float32]] = {}
    for i, name in enumerate(names):
        sound, rate, _ = read_mono(paths[name])
        leader[i] = first.setdefault(samples_digest(sound, rate), i)
        if leader[i] == i:
            sounds[i] = to_rate(sound, rate, RATE_HZ)
    for i, j in _candidates({i: fingerprint(sound) for i, sound in sounds.items()}):
        one, other = sorted((lead(i), lead(j)))
        if one != other and alike(sounds[i], sounds[j]):
            leader[other] = one
    groups: dict[int, list[str]] = defaultdict(list)
    for i, name in enumerate(names):
        groups[lead(i)].append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def fingerprint(sound: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the bits of a sound at 8 kHz: of each frame and the one 128 ms later, as one number; −1 in silence."""
    n_frames = max(0, (len(sound) - FRAME) // HOP)
    if n_frames < SPAN + 2:
        return np.zeros(0, dtype=np.int64)
    edges = np.geomspace(*BANDS_HZ, BITS + 2) * FRAME / RATE_HZ
    window = np.hanning(FRAME).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP][:n_frames]
    energy = np.empty((n_frames, BITS + 1))
    for at in range(0, n_frames, 4096):  # in memory that does not grow with the sound
        power = np.abs(fft.rfft(frames[at : at + 4096] * window, axis=1)) ** 2
        energy[at : at + 4096] = np.add.reduceat(power, np.round(edges).astype(int), axis=1)[:, : BITS + 1]
    slopes = np.diff(np.diff(energy, axis=1), axis=0)  # between bands, then between frames
    loudness = energy.sum(axis=1)[1:]
    bits = (slopes > RISE * loudness[:, None]) @ (1 << np.arange(BITS))
    bits[loudness <= SILENT * loudness.max()] = -1
    before, after = bits[:-SPAN], bits[SPAN:]
    return np.where((before < 0) | (after < 0), -1, before << BITS | after)


def _candidates(prints: Mapping[int, NDArray[np.int64]]) -> list[tuple[int, int]]:
    """Return the pairs of sounds that share bits at one delay."""
    nothing = np.zeros(0, dtype=np.int64)
    owner = np.concatenate([np.full(len(bits), i, dtype=np.int64) for i, bits in prints.items()] or [nothing])
    frame = np.concatenate([np.arange(len(bits), dtype=np.int64) for bits in prints.values()] or [nothing])
    bits = np.concatenate([*prints.values(), nothing])
    changed = np.diff(bits, prepend=-1) != 0  # the same bits last for some frames; the first of them stands for all
    known = np.flatnonzero(changed & (bits >= 0))
    order = known[np.argsort(bits[known], kind="stable")]
    starts = np.flatnonzero(np.diff(bits[order], prepend=-1))
    counts = np.diff(starts, append=len(order))
    pairs: list[NDArray[np.int64]] = []
    for count in np.unique(counts[(counts >= 2) & (counts <= COMMON)]).tolist():
        places = order[starts[counts == count][:, None] + np.arange(count)]  # (bits, places of each)
        one, other = (places[:, side].ravel() for side in np.triu_indices(count, 1))
        apart = owner[one] != owner[other]
        one, other = one[apart], other[apart]
        delay = (frame[one] - frame[other]) // DELAYS
        pairs.append(np.stack([owner[one], owner[other], delay], axis=1))
    if not pairs:
        return []
    votes, n = np.unique(np.concatenate(pairs), axis=0, return_counts=True)
    return [(int(i), int(j)) for i, j in np.unique(votes[n >= VOTES, :2], axis=0)]


def alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Return whether two sounds at one rate are the same, but for a delay, a level and what is cut off at the ends.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    >>> alike(noise, 0.1 * noise[500:]), alike(noise, noise[::-1])
    (True, False)
    """
    n = fft.next_fast_len(len(one) + len(other), real=True)
    one, other = one - one.mean(), other - other.mean()
    spectra = [fft.rfft(sound, n) for sound in (one, other)]
    correlation = fft.irfft(spectra[0] * np.conj(spectra[1]), FINER * n) * FINER  # at parts of a sample, too
    peak = int(np.argmax(np.abs(correlation)))
    delay = round(peak / FINER)
    delay -= n if delay >= len(one) else 0
    shared = slice(max(0, delay), min(len(one), delay + len(other)))
    if shared.stop - shared.start < max(LEAST_OVERLAP_S * RATE_HZ, LEAST_SHARE * min(len(one), len(other))):
        return False
    parts = one[shared], other[shared.start - delay : shared.stop - delay]
    norms = np.prod([np.linalg.norm(part) for part in parts])
    return bool(norms > 0 and abs(correlation[peak]) >= LEAST_CORRELATION * norms)
