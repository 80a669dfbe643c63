"""One clock: in every format a piece is what the whole has there, and events lie where a response was planted."""

from __future__ import annotations

import datetime
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecog.recording import nwb_files
from ecog.recording.edf_files import Edf, Signal
from heschl.checks import InputError
from heschl.ecog import Recording, read_recording
from heschl.ecog.recording.clock import runs_of

mne = pytest.importorskip("mne")

SFREQ, N = 100.0, 2000
ONSETS = (3.0, 8.0, 15.0)
"""s from the first sample held; each has a plateau of 1 s."""
NAMES = ("G1", "G2", "G3")


def planted() -> np.ndarray:
    """(N, 3) in V: noise of 1 µV, and plateaus of 1 mV in G1."""
    x = 1e-6 * np.random.default_rng(0).standard_normal((N, 3))
    for onset in ONSETS:
        x[int(onset * SFREQ) : int((onset + 1) * SFREQ), 0] += 1e-3
    return x


def fif(folder: Path, date: datetime.datetime | None, crop: float) -> Path:
    before = np.zeros((3, int(crop * SFREQ)))
    info = mne.create_info(list(NAMES), SFREQ, "ecog")
    raw = mne.io.RawArray(np.concatenate([before, planted().T], axis=1), info, verbose="error")
    raw.set_meas_date(date)
    raw.set_annotations(mne.Annotations([crop + onset for onset in ONSETS], 1.0, ["a", "b", "c"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw.crop(tmin=crop).save(folder / "x_ieeg.fif", fmt="double", verbose="error")
    return folder / "x_ieeg.fif"


def edf(folder: Path, begin: float = 0.0, pause: float = 0.0) -> Path:
    signals = [Signal(name, 1e6 * x, int(SFREQ)) for name, x in zip(NAMES, planted().T, strict=True)]
    onsets = [begin + i + pause * (i >= 12) for i in range(N // int(SFREQ))]
    times = [(begin + onset + pause * (onset >= 12), 1.0, name) for onset, name in zip(ONSETS, "abc", strict=True)]
    return Edf(signals, onsets=onsets if begin or pause else None, annotations=times).write(folder / "x.edf")


def nwb(folder: Path, begin: float = 0.0, stamps: bool = False, pause: float = 0.0, dtype: str = "f8") -> Path:
    file = nwb_files.new(3, label=list(NAMES))
    x = planted() if dtype == "f8" else np.rint(planted() / 1e-7).astype(dtype)
    times = begin + np.arange(N) / SFREQ + pause * (np.arange(N) >= 1200)
    clock = {"timestamps": times} if stamps else {"rate": SFREQ, "starting_time": begin}
    file.add_acquisition(nwb_files.series(file, x, conversion=1.0 if dtype == "f8" else 1e-7, **clock))
    file.add_trial_column("stimulus", "sound")
    for onset, name in zip(ONSETS, "abc", strict=True):
        start = begin + onset + pause * (onset >= 12)
        file.add_trial(start_time=start, stop_time=start + 1.0, stimulus=f"{name}.wav")
    return nwb_files.write(file, folder / "x.nwb")


def bids(folder: Path) -> Path:
    root = folder / "bids"
    (root / "sub-1" / "ieeg").mkdir(parents=True)
    path = edf(folder).rename(root / "sub-1" / "ieeg" / "sub-1_task-x_ieeg.edf")
    (root / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.8.0"}))
    rows = "".join(f"{onset}\t1\tstimuli/{name}.wav\n" for onset, name in zip(ONSETS, "abc", strict=True))
    path.with_name("sub-1_task-x_events.tsv").write_text("onset\tduration\tstim_file\n" + rows)
    return path


def dataset(folder: Path, kind: str) -> Path:
    t = np.arange(N) / SFREQ
    times, attrs = {
        "s": (t + 7.0, {}),
        "ms": (1000 * t, {"units": "ms"}),
        "int ms": (np.arange(N) * 10, {"units": "milliseconds"}),
        "datetime": (pd.Timestamp("2020-01-01") + pd.to_timedelta(t, unit="s"), {}),
        "timedelta": (pd.to_timedelta(t, unit="s"), {}),
        "float32": (t.astype("f4"), {"units": "s"}),
    }[kind]
    data = xr.Dataset({"data": (("electrode", "time"), planted().T)}, {"electrode": list(NAMES)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.assign_coords(time=("time", times, attrs)).to_zarr(folder / "x.zarr", consolidated=False)
    return folder / "x.zarr"


def arrays(folder: Path, suffix: str) -> Path:
    from scipy import io

    content = {"data": planted().T, "sfreq": SFREQ, "names": np.array(NAMES)}
    if suffix == ".npz":
        np.savez(folder / "x.npz", **content)
    else:
        io.savemat(folder / "x.mat", content | {"names": np.array(NAMES, object)}, do_compression=True)
    return folder / f"x{suffix}"


TIMES = ("s", "ms", "int ms", "datetime", "timedelta", "float32")
DATE = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
FILES: dict[str, Callable[[Path], Path]] = {
    "fif": lambda d: fif(d, None, 0.0),
    "fif, dated": lambda d: fif(d, DATE, 0.0),
    "fif, cropped": lambda d: fif(d, None, 5.0),
    "fif, cropped, dated": lambda d: fif(d, DATE, 5.0),
    "edf": edf,
    "edf, begins late": lambda d: edf(d, begin=0.25),
    "edf, pauses": lambda d: edf(d, begin=0.5, pause=6.0),
    "nwb": nwb,
    "nwb, starting time": lambda d: nwb(d, 42.0),
    "nwb, before the session": lambda d: nwb(d, -3.5, dtype="i2"),
    "nwb, timestamps": lambda d: nwb(d, 1e5, stamps=True),
    "nwb, timestamps with a pause": lambda d: nwb(d, 10.0, stamps=True, pause=6.0),
    "bids": bids,
    **{f"zarr, {kind}": lambda d, kind=kind: dataset(d, kind) for kind in TIMES},
    "npz": lambda d: arrays(d, ".npz"),
    "mat": lambda d: arrays(d, ".mat"),
}  # fmt: skip


def open_file(form: str, folder: Path) -> Recording:
    path = FILES[form](folder)
    if form.split(",")[0] not in ("zarr", "npz", "mat"):
        return read_recording(path)
    rows = "".join(f"{onset},1,{name}.wav\n" for onset, name in zip(ONSETS, "abc", strict=True))
    (folder / "events.csv").write_text("onset,duration,stimulus\n" + rows)
    return read_recording(path, events=folder / "events.csv")


@pytest.mark.parametrize("form", FILES)
def test_events_hit_what_was_planted(tmp_path: Path, form: str) -> None:
    recording = open_file(form, tmp_path)
    pause = 6.0 if "pause" in form else 0.0
    assert recording.sfreq == pytest.approx(SFREQ) and recording.n_samples == N + int(pause * SFREQ)
    expected = [onset + pause * (onset >= 12) for onset in ONSETS]
    assert recording.events["onset"].tolist() == pytest.approx(expected, abs=1e-6)
    assert recording.events["stimulus"].tolist() == ["a", "b", "c"]
    for onset in recording.events["onset"]:
        first = round(onset * recording.sfreq)
        inside = recording.read(first, first + 100, ["G1"])
        assert inside.min() > 0.9e-3 > 0.1e-3 > np.nanmax(recording.read(first - 50, first, ["G1"]))
        assert recording.read(first + 100, first + 150, ["G1"]).max() < 0.1e-3


@pytest.mark.parametrize("form", FILES)
def test_a_piece_is_what_the_whole_has_there(tmp_path_factory: pytest.TempPathFactory, form: str) -> None:
    recording = open_file(form, tmp_path_factory.mktemp("piece"))
    n = recording.n_samples
    whole = recording.read(0, n, NAMES)

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, n), st.integers(0, n), st.permutations(NAMES), st.integers(1, 3))
    def piece(a: int, b: int, order: list[str], count: int) -> None:
        start, stop = sorted((a, b))
        found = recording.read(start, stop, order[:count])
        np.testing.assert_array_equal(found, whole[start:stop][:, [NAMES.index(name) for name in order[:count]]])

    piece()


@pytest.mark.parametrize(("unit", "bits"), [(1e-3, 512.0), (1e-3, 999.9), (1e-6, 44100.0)])
def test_times_that_are_rounded(unit: float, bits: float) -> None:
    times = np.rint(np.arange(20_000) / bits / unit) * unit
    runs = runs_of(times, "times", resolution=unit)
    assert runs.n_samples == 20_000 and abs(runs.sfreq / bits - 1) < 1e-4


@pytest.mark.parametrize(
    "times",
    [[0.0, 1.0, 1.0, 2.0], [0.0, 1.0, np.nan], [0.0], [0.0, 1.0, 2.0, 1.5], list(np.arange(50) ** 1.2),
     [*range(40), *(40.5 + np.arange(40))], [0.0, 1.0, 2.0, 1e12, 1e12 + 1]],
)  # fmt: skip
def test_times_that_are_no_clock(times: list[float]) -> None:
    with pytest.raises(InputError, match="times"):
        runs_of(np.array(times), "times")
