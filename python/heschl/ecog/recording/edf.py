"""EDF, EDF+ (with pauses, too) and BDF, read as their specification says (www.edfplus.info).

Each channel is read at its own rate and never resampled: the recording has the rate that most of its voltages have, and
channels of another rate are left out, with a warning, or refused where they were asked for.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.recording.clock import Runs, with_pauses
from heschl.ecog.recording.contents import VOLTS, Contents, Event
from heschl.ecog.recording.edf_annotations import read_annotations
from heschl.ecog.recording.edf_header import CODE, Header, Signal, read_header
from heschl.names import stimulus_name
from heschl.notices import warn

_NOT_BRAIN = re.compile(
    r"(ecg|ekg|emg|eog|loc|roc|spo2|sao2|resp|pulse|plethy?|hr|temp|snore|airflow|position|light|sound|mic|audio|"
    r"trig\w*|sti|status|marker|events?|dc)\W*\d*", re.IGNORECASE,
)  # fmt: skip
"""Labels of channels that record no brain: heart, muscles, eyes, breath, sound and triggers."""
_TYPE = re.compile(r"(eeg|ecog|seeg)[ _-]+", re.IGNORECASE)
"""What EDF+ puts before the label of an electrode."""
CLOCK_S = 0.1
"""By which the onsets of data records may be off where there is no pause: writers round them, clocks drift."""
LONGEST_PAUSE_S = 366 * 86400.0


@dataclass(frozen=True)
class EdfSource:
    """Samples of the signals of one rate, read from the data records that hold them."""

    records: Any = field(repr=False)
    signals: tuple[Signal, ...]
    width: int

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return samples [start, stop) of channels given by index, (stop - start, n), in V."""
        n = self.signals[0].n
        first, last = start // n, -(-stop // n)
        block = self.records[first:last]
        out = np.empty((stop - start, len(channels)))
        for i, channel in enumerate(channels):
            signal = self.signals[channel]
            part = block[:, signal.first * self.width : (signal.first + n) * self.width]
            digital = integers(part, self.width).reshape(-1)[start - first * n : stop - first * n]
            out[:, i] = digital & 0xFFFF if signal.unit == CODE else digital * signal.gain + signal.offset
        return out


def integers(part: NDArray[np.uint8], width: int) -> NDArray[np.int32]:
    """Return whole numbers of 2 or 3 bytes, the low one first, (n_records, n_samples)."""
    part = np.ascontiguousarray(part).reshape(len(part), -1, width)
    if width == 2:
        return part.view("<i2")[..., 0].astype(np.int32)
    wide = np.zeros((*part.shape[:2], 4), dtype=np.uint8)
    wide[..., 1:] = part
    return np.asarray(wide.view("<i4")[..., 0] >> 8, dtype=np.int32)


def read_edf(path: Path) -> Contents:
    """Open an EDF or BDF file.

    Returns
    -------
    Contents
        The channels of the rate that most voltages have; labels such as EKG, SPO2 or DC1, and units other than V, make
        a channel that is no electrode. Pauses (EDF+D) are missing samples. Annotations are events.

    Raises
    ------
    InputError
        For a head that is damaged, a file without a whole data record, a signal whose physical or digital minimum
        equals its maximum, and records that overlap in time.
    """
    header = read_header(path)
    size = path.stat().st_size - header.first
    whole = size // header.record
    n_records = whole if header.n_records < 0 else header.n_records
    if not 0 < n_records <= whole:
        raise InputError(
            str(path), f"{whole} whole data records", f"{header.n_records}, as its head says", "Is it truncated?"
        )
    if whole * header.record != size or whole > n_records:
        warn(f"{path}: {size - n_records * header.record} bytes after the last data record")
    records = np.memmap(path, dtype=np.uint8, mode="r", offset=header.first, shape=(n_records, header.record))
    kept, notes = _of_one_rate(header, path)
    names = _own_names(kept, path)
    onsets, annotations = read_annotations(path, header, records, header.width)
    n = kept[0].n
    sfreq = n / header.seconds
    paused = header.paused or _pauses_unsaid(onsets, header.seconds, path)
    starts, rows = _pauses(onsets if paused else None, header.seconds, n, n_records, path)
    source = with_pauses(EdfSource(records, kept, header.width), Runs(sfreq, starts, rows))
    begin = 0.0 if onsets is None else float(onsets[0])
    events: list[Event] = [(found[0] - begin, found[1], stimulus_name(found[2])) for found in annotations]
    neural = [name for name, signal in zip(names, kept, strict=True) if _is_neural(signal)]
    others = [name for name in names if name not in neural]
    if others:
        notes += (f"no electrodes by their labels or units: {', '.join(others)}",)
    return Contents(sfreq, int(starts[-1] + rows[-1] - rows[-2]), names, source, None, neural, events, notes=notes)


def _is_neural(signal: Signal) -> bool:
    volts = not signal.unit or signal.unit.lower() in VOLTS
    return volts and not _NOT_BRAIN.fullmatch(_TYPE.sub("", signal.name).strip())


def _of_one_rate(header: Header, path: Path) -> tuple[tuple[Signal, ...], tuple[str, ...]]:
    """Return the signals of the rate that most voltages have, and what was left out."""
    data = [signal for signal in header.signals if not signal.is_annotation]
    if not data:
        raise InputError(str(path), "annotations alone", "signals")
    voltages = [signal for signal in data if _is_neural(signal)] or data
    ((n, _),) = Counter(signal.n for signal in voltages).most_common(1)
    kept = tuple(signal for signal in data if signal.n == n)
    left = [f"{signal.name} ({signal.n / header.seconds:g} Hz)" for signal in data if signal.n != n]
    blank = [signal.name for signal in kept if not signal.unit and _is_neural(signal)]
    if blank:
        warn(f"{path}: no unit for {', '.join(blank[:8])}: its numbers are taken as V")
    if not left:
        return kept, ()
    note = f"left out, for their sampling rate is not {n / header.seconds:g} Hz: {', '.join(left)}"
    warn(f"{path}: {note}")
    return kept, (note,)


def _own_names(signals: tuple[Signal, ...], path: Path) -> list[str]:
    """Return names; channels that a montage left unnamed are numbered, with a warning."""
    names = [signal.name or f"unnamed {i}" for i, signal in enumerate(signals)]
    blank = [name for name, signal in zip(names, signals, strict=True) if not signal.name]
    if blank:
        warn(f"{path}: channels without a label: {', '.join(blank)}")
    return names


def _pauses_unsaid(onsets: NDArray[np.float64] | None, seconds: float, path: Path) -> bool:
    """Tell whether records of a file that claims to have no pause (EDF+C) begin where only a pause explains it."""
    if onsets is None or not np.isfinite(onsets).all():
        return False
    off = onsets - onsets[0] - seconds * np.arange(len(onsets))
    if np.abs(off).max() <= CLOCK_S:
        return False
    at = int(np.argmax(np.abs(off) > CLOCK_S))
    warn(f"{path}: has no pauses by its head, and a data record {at} at {onsets[at]:g} s: read as one with pauses")
    return True


def _pauses(
    onsets: NDArray[np.float64] | None, seconds: float, n: int, n_records: int, path: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sample at which each stretch begins, and the rows that it holds."""
    if onsets is None:
        return np.zeros(1, dtype=np.int64), np.array([0, n * n_records], dtype=np.int64)
    exact = (onsets - onsets[0]) * n / seconds
    begins = np.rint(exact).astype(np.int64)
    gaps = np.diff(begins) - n
    if (gaps < 0).any() or float(np.diff(onsets).max(initial=0.0)) > LONGEST_PAUSE_S:
        at = int(np.argmin(gaps))
        raise InputError(
            str(path), f"data records that begin at {onsets[at]:g} and {onsets[at + 1]:g} s",
            f"records of {seconds:g} s, one after another",
        )  # fmt: skip
    off = float(np.abs(exact - begins).max())
    if off > 0.05:
        warn(f"{path}: pauses of no whole number of samples, off by up to {off:.2g} samples")
    breaks = np.flatnonzero(gaps) + 1
    rows = n * np.concatenate([[0], breaks, [n_records]])
    return begins[np.concatenate([[0], breaks]).astype(np.int64)], rows.astype(np.int64)
