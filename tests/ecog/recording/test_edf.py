"""EDF as it really comes: several rates, pauses, no units, no scale, channels that are no electrodes."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from ecog.recording.edf_files import Edf, Signal
from heschl.checks import InputError
from heschl.ecog import read_recording

STEP = 6000 / 2**16
"""µV that one digital step is worth."""


def noise(n: int, seed: int = 0) -> np.ndarray:
    return 200 * np.random.default_rng(seed).standard_normal(n)


def test_samples_are_those_written_and_those_that_mne_reads(tmp_path: Path) -> None:
    mne = pytest.importorskip("mne")
    x = [noise(1000, i) for i in range(3)]
    path = Edf([Signal(f"G{i}", v, 100) for i, v in enumerate(x)], annotations=[(1.5, 0.5, "a.wav"), (3, None, "b")])
    path = path.write(tmp_path / "x.edf")
    recording = read_recording(path)
    found = recording.read(0, 1000, ["G2", "G0"])
    np.testing.assert_allclose(found, 1e-6 * np.stack([x[2], x[0]], axis=1), atol=1e-6 * STEP)
    raw = mne.io.read_raw(path, verbose="error")
    np.testing.assert_allclose(recording.read(0, 1000, ["G0", "G1", "G2"]), raw.get_data().T, rtol=0, atol=1e-12)
    assert recording.events.values.tolist() == [[1.5, 0.5, "a"], [3.0, 0.0, "b"]]


@pytest.mark.parametrize(("ecog", "others"), [(512, 2048), (400, 1), (1000, 333)])
def test_channels_of_another_rate_are_left_out_or_refused(tmp_path: Path, ecog: int, others: int) -> None:
    x = noise(10 * ecog)
    signals = [Signal("G0", x, ecog), Signal("MIC", noise(10 * others), others), Signal("G1", -x, ecog)]
    path = Edf(signals).write(tmp_path / "x.edf")
    with pytest.warns(UserWarning, match=rf"MIC \({others} Hz\)"):
        recording = read_recording(path)
    assert (recording.sfreq, recording.names) == (ecog, ("G0", "G1"))
    np.testing.assert_allclose(recording.read(137, 951, ["G0"])[:, 0], 1e-6 * x[137:951], atol=1e-6 * STEP)
    with pytest.warns(UserWarning), pytest.raises(InputError, match=r"audio: found 'MIC'.*sampling rate is not"):
        read_recording(path, audio="MIC")


def test_pauses_are_missing_samples(tmp_path: Path) -> None:
    x = noise(600)
    onsets = [0.5, 1.5, 7.5, 8.5, 20.5, 21.5]
    path = Edf([Signal("G0", x, 100)], onsets=onsets, annotations=[(7.5, 1.0, "a"), (0.5, 0.25, "b")])
    recording = read_recording(path.write(tmp_path / "x.edf"))
    assert recording.n_samples == 2200
    truth = np.full(2200, np.nan)
    for i, onset in enumerate(onsets):
        first = round((onset - 0.5) * 100)
        truth[first : first + 100] = x[i * 100 : (i + 1) * 100]
    whole = recording.read(0, 2200, ["G0"])[:, 0]
    np.testing.assert_allclose(whole, 1e-6 * truth, atol=1e-6 * STEP)
    for start, stop in ((0, 150), (199, 701), (650, 950), (750, 2150), (2000, 2000)):
        np.testing.assert_array_equal(recording.read(start, stop, ["G0"])[:, 0], whole[start:stop])
    assert recording.events["onset"].tolist() == [7.0, 0.0]
    with pytest.raises(InputError, match=r"begin at 1\.5 and 1\.75 s"):
        read_recording(Edf([Signal("G0", x, 100)], onsets=[0.5, 1.5, 1.75, 3, 4, 5]).write(tmp_path / "y.edf"))


@pytest.mark.parametrize("low", [0.0, -32768.0, 5.0])
def test_a_signal_without_a_scale(tmp_path: Path, low: float) -> None:
    path = Edf([Signal("G0", noise(300), 100, physical=(low, low))]).write(tmp_path / "x.edf")
    with pytest.raises(InputError, match="a minimum below the maximum"):
        read_recording(path)


@pytest.mark.parametrize(("unit", "volts"), [("uV", 1e-6), ("mV", 1e-3), ("V", 1.0), ("µV", 1e-6), ("nV", 1e-9)])
def test_units(tmp_path: Path, unit: str, volts: float) -> None:
    x = noise(300)
    recording = read_recording(Edf([Signal("G0", x, 100, unit=unit)]).write(tmp_path / "x.edf"))
    np.testing.assert_allclose(recording.read(0, 300, ["G0"])[:, 0], volts * x, atol=volts * STEP)


def test_no_unit_warns(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="no unit for G0") as caught:
        read_recording(Edf([Signal("G0", noise(300), 100, unit="")]).write(tmp_path / "x.edf"))
    assert caught[0].filename == __file__  # the user's line, not one of the readers'


def test_channels_that_record_no_brain(tmp_path: Path) -> None:
    labels = ["POL G1", "ECG", "EKG", "SpO2", "DC10", "EMG-1", "G2", "EEG Fp1", "EVENT", "HR"]
    signals = [Signal(label, noise(300, i), 100) for i, label in enumerate(labels)]
    signals += [Signal("T1", noise(300), 100, unit="degC"), Signal("", noise(300), 100)]
    with pytest.warns(UserWarning, match="without a label"):
        recording = read_recording(Edf(signals).write(tmp_path / "x.edf"), trigger="DC10")
    assert recording.good == ["POL G1", "G2", "EEG Fp1", "unnamed 11"]
    assert "SpO2" in recording.provenance[1] and recording.read(0, 5, ["DC10"]).shape == (5, 1)


def test_truncated_and_longer_files(tmp_path: Path) -> None:
    whole = Edf([Signal("G0", noise(500), 100)]).bytes()
    path = tmp_path / "x.edf"
    path.write_bytes(whole[:-10])
    with pytest.raises(InputError, match="4 whole data records"):
        read_recording(path)
    path.write_bytes(whole + b"more")
    with pytest.warns(UserWarning, match="4 bytes after"):
        assert read_recording(path).n_samples == 500
    path.write_bytes(whole[:236] + b"-1      " + whole[244:])  # a recorder that stopped before it wrote how many
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_recording(path).n_samples == 500


def test_bdf(tmp_path: Path) -> None:
    digital = np.array([[-8388608, 8388607, 0, -1], [0xFF00 + 3 - 2**24 + 2**23, 7, 0, 0]], dtype=np.int64)
    head = (
        b"\xffBIOSEMI" + b" " * 160 + b"01.01.0000.00.00" + b"768     " + b"24BIT".ljust(44) + b"1       1       2   "
    )
    cells = [(b"A1", b"Status"), (b"", b""), (b"uV", b"Boolean"), (b"-8388608", b"-8388608"), (b"8388607", b"8388607")]
    cells += [(b"-8388608", b"-8388608"), (b"8388607", b"8388607"), (b"", b""), (b"4", b"4"), (b"", b"")]
    for width, pair in zip((16, 80, 8, 8, 8, 8, 8, 80, 8, 32), cells, strict=True):
        head += b"".join(cell.ljust(width) for cell in pair)
    body = b"".join(int(v).to_bytes(3, "little", signed=True) for row in digital for v in row)
    (tmp_path / "x.bdf").write_bytes(head + body)
    recording = read_recording(tmp_path / "x.bdf", trigger="Status")
    np.testing.assert_allclose(recording.read(0, 4, ["A1"])[:, 0], 1e-6 * digital[0], rtol=1e-12, atol=1e-18)
    assert recording.read(0, 4, ["Status"])[:, 0].tolist() == [0xFF03, 7, 0, 0]
    assert recording.good == ["A1"]
