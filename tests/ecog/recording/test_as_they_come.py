"""Files with what real ones have and none should: each is read as meant, with a word about it, or refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest
import xarray as xr

from ecog.recording.edf_files import Edf, Signal
from ecog.recording.nwb_files import new, series, write
from ecog.recording.test_bids import CHANNELS, dataset
from heschl.checks import InputError
from heschl.ecog import Recording, read_recording
from heschl.ecog.recording.clock import runs_of
from heschl.timing import read_events

X = 100 * np.random.default_rng(0).standard_normal((2, 300))


def edf(path: Path, **given: Any) -> Path:
    return Edf([Signal(n, v, 100) for n, v in zip(("G1", "G2"), X, strict=True)], **given).write(path)


def quietly(path: Path | Any, **given: Any) -> Recording:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_recording(path, **given)


@pytest.mark.parametrize("code", ["latin-1", "utf-8"])
def test_letters_beyond_ascii_in_an_edf(tmp_path: Path, code: str) -> None:
    path = edf(tmp_path / "a.edf")
    raw = path.read_bytes().replace(b"G1  ", "é1 ".encode(code).ljust(4)).replace(b"uV  ", "µV".encode(code).ljust(4))
    path.write_bytes(raw)
    recording = read_recording(path)
    assert recording.good == ["é1", "G2"] and recording.n_samples == 300
    np.testing.assert_allclose(recording.read(0, 300, recording.names), 1e-6 * X.T, atol=1e-7)


def test_pauses_that_the_head_of_an_edf_denies(tmp_path: Path) -> None:
    path = edf(tmp_path / "a.edf", onsets=[0.0, 1.0, 5.0])
    path.write_bytes(path.read_bytes().replace(b"EDF+D", b"EDF+C"))
    with pytest.warns(UserWarning, match="no pauses by its head, and a data record 2 at 5 s"):
        recording = read_recording(path)
    assert recording.n_samples == 600 and np.isnan(recording.read(200, 500, ["G1"])).all()


def test_an_onset_with_all_digits_of_a_float(tmp_path: Path) -> None:
    """As MNE exports them."""
    path = edf(tmp_path / "a.edf", annotations=[(0.5, 1.0, "a" * 24)])
    raw = path.read_bytes()
    long = b"+0.5\x151\x14" + b"a" * 24 + b"\x14"
    path.write_bytes(raw.replace(long, b"+0.5000000000000001\x151\x14".ljust(len(long) - 1, b"a") + b"\x14"))
    assert read_recording(path).events["onset"].tolist() == [0.5000000000000001]


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ("1,-0.5,a", "duration: found -0.5 s"),
        ("1500,500,a\n1700,500,b", "no event within the recording .*Are they in s"),
    ],
)
def test_times_that_cannot_be(tmp_path: Path, rows: str, match: str) -> None:
    (tmp_path / "events.csv").write_text(f"onset,duration,stimulus\n{rows}\n")
    with pytest.raises(InputError, match=match):
        read_recording(edf(tmp_path / "a.edf"), events=tmp_path / "events.csv")


def test_some_events_outside(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("onset,duration,stimulus\n1,1,a\n4,1,b\n")
    with pytest.warns(UserWarning, match="1 of 2 events begin outside"):
        assert len(read_recording(edf(tmp_path / "a.edf"), events=tmp_path / "events.csv").events) == 2


def test_positions_in_mm_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "electrodes.csv").write_text("name,x,y,z\nG1,-60,-20,5\nG2,-61,-20,5\n")
    with pytest.raises(InputError, match="positions of up to 61; expected m"):
        read_recording(edf(tmp_path / "a.edf"), electrodes=tmp_path / "electrodes.csv")


def test_types_of_channels_that_leave_no_electrode(tmp_path: Path) -> None:
    """All channels were electrodes then, the microphone among them."""
    channels = CHANNELS.replace("ECOG", "MISC").replace("SEEG", "MISC")
    with pytest.raises(InputError, match=r"type: found no channel of .* of ECOG"):
        read_recording(dataset(tmp_path, **{"sub-01_task-x_run-1_channels.tsv": channels}))


def test_positions_of_the_subject_s_own_system(tmp_path: Path) -> None:
    path = dataset(
        tmp_path,
        **{
            "sub-01_space-ACPC_electrodes.tsv": "name\tx\ty\tz\nG1\t-60\t-20\t5\n",
            "sub-01_space-ACPC_coordsystem.json": '{"iEEGCoordinateUnits": "mm"}',
        },
    )
    with pytest.warns(UserWarning, match="coordinate system ACPC, not of a template"):
        assert read_recording(path).electrodes["x"]["G1"] == pytest.approx(-0.06)


def test_a_stim_file_below_the_dataset_s_stimuli(tmp_path: Path) -> None:
    events = "onset\tduration\tstim_file\tword\n1\t2\tstimuli/s1.wav\tn/a\n1.5\t0.25\ts1.wav\tso\n"
    path = dataset(tmp_path, **{"sub-01_task-x_run-1_events.tsv": events})
    assert read_recording(path).events["stimulus"].tolist() == ["s1"]
    words = read_events(path.with_name("sub-01_task-x_run-1_events.tsv"))
    assert [(word.text, word.start) for word in words["s1"].words] == [("so", 0.5)]


def dataset_of(path: Path, units: str, **attributes: Any) -> Path:
    values = xr.DataArray(X.T, dims=("time", "channel"), attrs={"units": units})
    found = xr.Dataset({"data": values}, {"time": np.arange(300) / 100, "channel": ["G1", "G2"]}, attributes)
    found.to_zarr(path, consolidated=False)
    return path


def test_units_and_rates_that_a_dataset_states(tmp_path: Path) -> None:
    recording = quietly(dataset_of(tmp_path / "a.zarr", "uV", sfreq=100.0))
    np.testing.assert_allclose(recording.read(0, 300, ["G1", "G2"]), 1e-6 * X.T)
    with pytest.warns(UserWarning, match=r"in the unit 'a\.u\.': its numbers are taken as V"):
        read_recording(dataset_of(tmp_path / "b.zarr", "a.u."))
    with pytest.raises(InputError, match=r"sfreq: found 50\.0, and times that run at 100 Hz"):
        quietly(dataset_of(tmp_path / "c.zarr", "V", sfreq=50.0))


def test_columns_of_nwb_that_its_library_hides(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nwb = new(3, name=["L1", "L2", "L3"], good=["True", "False", "good"])
        nwb.add_acquisition(series(nwb, np.zeros((50, 2)), rows=[2, 1], rate=50.0))
        write(nwb, tmp_path / "a.nwb")
    electrodes = quietly(tmp_path / "a.nwb").electrodes
    assert electrodes["bad"].to_dict() == {"L3": False, "L2": True}


def test_a_rate_from_rounded_times_is_the_whole_number_that_they_mean() -> None:
    assert runs_of(12.5 + np.arange(500) / 250, "times").sfreq == 250
    times = (100 + np.arange(300) / 200).astype(np.float32)
    assert runs_of(times.astype(float), "times", resolution=float(np.spacing(times[-1]))).sfreq == 200
    assert runs_of(np.arange(500) / 3051.7578125, "times").sfreq == pytest.approx(3051.7578125, rel=1e-12)


def test_channels_of_no_kind_and_pauses_in_mne(tmp_path: Path) -> None:
    info = mne.create_info(["G1", "G2", "STI"], 100.0, ["misc", "misc", "stim"])
    raw = mne.io.RawArray(np.zeros((3, 300)), info, verbose="error")
    joints = ["New Segment/", "New Segment/", "BAD boundary", "EDGE boundary"]
    raw.set_annotations(mne.Annotations([0.0, 1.5, 2.0, 2.0], [0.01, 0.01, 0.0, 0.0], joints))
    with (
        pytest.warns(UserWarning, match=r"a new segment begins at 1\.5 s"),
        pytest.warns(UserWarning, match="a new segment begins at 2 s"),
        pytest.warns(UserWarning, match="no channel"),
    ):
        recording = read_recording(raw)
    assert recording.good == ["G1", "G2"] and recording.events.empty
