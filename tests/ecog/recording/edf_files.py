"""EDF files written byte by byte, as their specification has them: also with faults that no library writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

DIGITAL = 2**15 - 1


@dataclass
class Signal:
    """Samples in the unit, and what the head says of them."""

    label: str
    values: np.ndarray
    rate: int
    unit: str = "uV"
    physical: tuple[float, float] = (-3000.0, 3000.0)


@dataclass
class Edf:
    """An EDF of data records of `seconds`; with `onsets` (s, of each record) an EDF+D."""

    signals: list[Signal]
    seconds: float = 1.0
    onsets: list[float] | None = None
    annotations: list[tuple[float, float | None, str]] = field(default_factory=list)
    plus: bool = True
    text: int = 120

    def bytes(self) -> bytes:
        n_records = len(self.signals[0].values) // int(self.signals[0].rate * self.seconds)
        onsets = self.onsets if self.onsets is not None else [i * self.seconds for i in range(n_records)]
        rows = [(s.label, s.unit, *s.physical, -DIGITAL, DIGITAL, int(s.rate * self.seconds)) for s in self.signals]
        if self.plus:
            rows.append(("EDF Annotations", "", -1.0, 1.0, -DIGITAL, DIGITAL, self.text // 2))
        kind = "" if not self.plus else "EDF+C" if self.onsets is None else "EDF+D"
        head = "0".ljust(8) + "X".ljust(80) * 2 + "01.01.2000.00.00"[:8].ljust(8) + "00.00.00"
        head += str(256 * (len(rows) + 1)).ljust(8) + kind.ljust(44) + str(n_records).ljust(8)
        head += f"{self.seconds:g}".ljust(8) + str(len(rows)).ljust(4)
        widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
        columns = [
            [row[0] for row in rows], [""] * len(rows), [row[1] for row in rows],
            *([f"{row[i]:g}" for row in rows] for i in (2, 3, 4, 5)), [""] * len(rows),
            [str(row[6]) for row in rows], [""] * len(rows),
        ]  # fmt: skip
        out = head.encode("latin-1")
        for width, cells in zip(widths, columns, strict=True):
            out += b"".join(cell.encode("latin-1").ljust(width) for cell in cells)
        for i in range(n_records):
            for signal in self.signals:
                n = int(signal.rate * self.seconds)
                low, high = signal.physical
                scale = 2 * DIGITAL / (high - low) if high != low else 1.0
                digital = np.rint((signal.values[i * n : (i + 1) * n] - low) * scale) - DIGITAL
                out += digital.astype("<i2").tobytes()
            if self.plus:
                text = f"+{onsets[i]:g}\x14\x14\0"
                if i == 0:
                    for onset, duration, name in self.annotations:
                        text += (
                            f"+{onset:g}" + (f"\x15{duration:g}" if duration is not None else "") + f"\x14{name}\x14\0"
                        )
                out += text.encode().ljust(self.text, b"\0")
        return out

    def write(self, path: Path) -> Path:
        path.write_bytes(self.bytes())
        return path
