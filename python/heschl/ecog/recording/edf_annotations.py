"""Annotations of EDF+ and BDF+: time-stamped lists of texts, one list at the head of each data record for its onset."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.recording.contents import Event
from heschl.ecog.recording.edf_header import Header

_LIST = re.compile(rb"([+-]\d{1,15}(?:\.\d{0,20})?)(?:\x15(\d{1,15}(?:\.\d{0,20})?))?\x14(.*)", re.DOTALL)
"""Onset, duration and texts."""


def read_annotations(
    path: Path, header: Header, records: Any, width: int
) -> tuple[NDArray[np.float64] | None, list[Event]]:
    """Return the onset of every data record (None for plain EDF) and all annotations, in s from the file's start time.

    Raises
    ------
    InputError
        For a file with pauses in which a record does not say when it begins, and lists that cannot be read.
    """
    signals = [signal for signal in header.signals if signal.is_annotation]
    if not signals:
        if header.paused:
            raise InputError(str(path), "pauses, and no annotations", "the onset of every data record")
        return None, []
    onsets = np.full(len(records), np.nan)
    events: list[Event] = []
    for place, signal in enumerate(signals):
        part = np.ascontiguousarray(records[:, signal.first * width : (signal.first + signal.n) * width])
        for i, row in enumerate(part):
            for j, piece in enumerate(row.tobytes().split(b"\0")):
                if not piece:
                    continue
                match = _LIST.fullmatch(piece)
                if match is None:
                    raise InputError(f"{path}: annotations of data record {i}", repr(piece[:40]), "a list of EDF+")
                onset, duration = float(match[1]), float(match[2] or 0.0)
                texts = match[3].removesuffix(b"\x14").split(b"\x14")
                if j == 0 and place == 0:  # the record's own onset has an empty text
                    onsets[i] = onset
                events += [(onset, duration, text.decode("utf-8", "replace")) for text in texts if text]
    if np.isnan(onsets).all() and not header.paused:
        return None, events
    if header.paused and np.isnan(onsets).any():
        at = int(np.isnan(onsets).argmax())
        raise InputError(f"{path}: data record {at}", "no onset", "one, since the file has pauses")
    return (onsets if np.isfinite(onsets[0]) else np.nan_to_num(onsets)), events
