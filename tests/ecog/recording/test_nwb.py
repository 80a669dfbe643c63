"""NWB by its schema: scale, names of columns, several series, parts beside the voltages."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pynwb
import pytest

from ecog.recording import nwb_files
from heschl.checks import InputError
from heschl.ecog import read_recording

RATE = 200.0


def counts(n: int = 400, c: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4000, size=(n, c)).astype(np.uint16)


@pytest.mark.parametrize(
    ("by_channel", "offset"), [(None, 0.0), ([1.0, 2.0, 0.5, -1.0], -4e-4), (None, 1e-3), ([3.0] * 4, 0.0)]
)
def test_scale(tmp_path: Path, by_channel: list[float] | None, offset: float) -> None:
    nwb, raw = nwb_files.new(4), counts()
    nwb.add_acquisition(
        nwb_files.series(nwb, raw, rate=RATE, conversion=2e-7, channel_conversion=by_channel, offset=offset)
    )
    path = nwb_files.write(nwb, tmp_path / "x.nwb")
    recording = read_recording(path)
    truth = raw * 2e-7 * np.array(by_channel or [1.0] * 4) + offset
    np.testing.assert_allclose(recording.read(10, 90, recording.names), truth[10:90], rtol=1e-12)
    with pynwb.NWBHDF5IO(str(path), "r") as file:
        in_units = file.read().acquisition["voltage"].get_data_in_units()
    np.testing.assert_allclose(recording.read(0, 400, recording.names), in_units, rtol=1e-12)


def test_electrodes_by_the_names_of_columns(tmp_path: Path) -> None:
    nwb = nwb_files.new(
        3, channel_name=["A1", "A2", "A3"], bad=["no", "yes", "good"], location=["STG", "unknown", "MTG"],
        x=[10.0, 20.0, 30.0], y=[-40.0, 1.0, 2.0], z=[5.0, 6.0, 7.0],
    )  # fmt: skip
    nwb.add_acquisition(nwb_files.series(nwb, counts(c=2), rows=[2, 1], rate=RATE))
    recording = read_recording(nwb_files.write(nwb, tmp_path / "x.nwb"))
    assert recording.names == ("A3", "A2") and recording.good == ["A3"]
    table = recording.electrodes
    assert table["group"].tolist() == ["grid", "grid"] and table["region"].tolist() == ["MTG", ""]
    assert table["x"].tolist() == pytest.approx([0.03, 0.02])  # mm in the file


def test_positions_that_are_not_known(tmp_path: Path) -> None:
    nwb = nwb_files.new(2)
    nwb.add_acquisition(nwb_files.series(nwb, counts(c=2), rate=RATE))
    assert read_recording(nwb_files.write(nwb, tmp_path / "x.nwb")).electrodes["x"].isna().all()


@pytest.mark.parametrize("column", ["stimulus", "stim_file", "stimulus_name", "sound"])
def test_trials_by_the_names_of_columns(tmp_path: Path, column: str) -> None:
    nwb = nwb_files.new(4)
    nwb.add_acquisition(nwb_files.series(nwb, counts(), rate=RATE, starting_time=10.0))
    nwb.add_trial_column("correct", "answer")
    nwb.add_trial_column(column, "sound")
    nwb.add_trial(start_time=10.5, stop_time=11.0, correct=True, **{column: "a.wav"})
    nwb.add_trial(start_time=11.5, stop_time=12.0, correct=False, **{column: "b"})
    nwb.add_invalid_time_interval(start_time=11.0, stop_time=11.25)
    recording = read_recording(nwb_files.write(nwb, tmp_path / "x.nwb"))
    assert recording.events.values.tolist() == [[0.5, 0.5, "a"], [1.5, 0.5, "b"]]
    assert recording.artefacts.tolist() == [[1.0, 1.25]]


def test_trials_that_name_no_stimulus(tmp_path: Path) -> None:
    nwb = nwb_files.new(4)
    nwb.add_acquisition(nwb_files.series(nwb, counts(), rate=RATE))
    nwb.add_trial_column("answer", "yes or no")
    nwb.add_trial(start_time=0.5, stop_time=1.0, answer="yes")
    with pytest.warns(UserWarning, match="names a stimulus .answer."):
        assert len(read_recording(nwb_files.write(nwb, tmp_path / "x.nwb")).events) == 0


def two(nwb: pynwb.NWBFile, *, other: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    a, b = counts(seed=1, c=2), counts(seed=2, c=2)
    nwb.add_acquisition(nwb_files.series(nwb, a, "left", [0, 1], rate=RATE, conversion=1e-6))
    nwb.add_acquisition(nwb_files.series(nwb, b, "right", [2, 3], conversion=1e-6, **other))
    return a, b


def test_several_series_on_one_clock_are_all_read(tmp_path: Path) -> None:
    nwb = nwb_files.new(4, label=["a", "b", "c", "d"])
    a, b = two(nwb, other={"rate": RATE})
    path = nwb_files.write(nwb, tmp_path / "x.nwb")
    recording = read_recording(path)
    assert recording.good == ["a", "b", "c", "d"]
    found = recording.read(5, 50, ["d", "a"])
    np.testing.assert_allclose(found, 1e-6 * np.stack([b[5:50, 1], a[5:50, 0]], axis=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the other series is left out by choice, not in silence
        chosen = read_recording(path, series="right")
    assert chosen.good == ["c", "d"] and "series not read: acquisition/left" in chosen.provenance
    with pytest.raises(InputError, match=r"'middle'.*acquisition/left, acquisition/right"):
        read_recording(path, series="middle")


@pytest.mark.parametrize("other", [{"rate": 100.0}, {"rate": RATE, "starting_time": 5.0}])
def test_several_series_on_other_clocks(tmp_path: Path, other: dict[str, float]) -> None:
    nwb = nwb_files.new(4)
    _, b = two(nwb, other=other)
    path = nwb_files.write(nwb, tmp_path / "x.nwb")
    with pytest.raises(InputError, match=r"not on one clock: acquisition/left, acquisition/right.*series="):
        read_recording(path)
    recording = read_recording(path, series="acquisition/right")
    np.testing.assert_allclose(recording.read(0, 9, recording.names), 1e-6 * b[:9])


def test_lfp_in_a_processing_module(tmp_path: Path) -> None:
    nwb = nwb_files.new(4)
    raw, low = counts(), counts(seed=3)
    module = nwb.create_processing_module("ecephys", "processed")
    module.add(pynwb.ecephys.LFP(electrical_series=nwb_files.series(nwb, low, "lfp", rate=50.0)))
    path = nwb_files.write(nwb, tmp_path / "x.nwb")
    recording = read_recording(path)
    assert recording.sfreq == 50.0
    np.testing.assert_array_equal(recording.read(0, 9, recording.names), low[:9])
    nwb = nwb_files.new(4)
    nwb.add_acquisition(nwb_files.series(nwb, raw, rate=RATE))
    module = nwb.create_processing_module("ecephys", "processed")
    module.add(pynwb.ecephys.LFP(electrical_series=nwb_files.series(nwb, low, "lfp", rate=50.0)))
    path = nwb_files.write(nwb, tmp_path / "y.nwb")
    with pytest.warns(UserWarning, match="series not read: processing/ecephys/LFP/lfp"):
        assert read_recording(path).sfreq == RATE
    assert read_recording(path, series="lfp").sfreq == 50.0


def test_parts_beside_the_voltages(tmp_path: Path) -> None:
    nwb, raw = nwb_files.new(4), counts()
    nwb.add_acquisition(nwb_files.series(nwb, raw, rate=RATE))
    sound = np.arange(400, dtype=np.int16)
    nwb.add_acquisition(pynwb.TimeSeries(name="mic", data=sound, unit="V", rate=RATE, conversion=0.5, offset=1.0))
    nwb.add_acquisition(pynwb.TimeSeries(name="pair", data=np.stack([sound, -sound], 1), unit="V", rate=RATE))
    nwb.add_acquisition(pynwb.TimeSeries(name="fast", data=np.zeros(4000), unit="V", rate=2000.0))
    nwb.add_acquisition(pynwb.TimeSeries(name="irregular", data=np.zeros(3), unit="V", timestamps=[0.0, 1.0, 5.0]))
    nwb.add_acquisition(pynwb.core.DynamicTable(name="notes", description="a table"))
    nwb.add_acquisition(
        pynwb.ecephys.SpikeEventSeries(
            name="spikes", data=np.zeros((5, 4, 3)), timestamps=np.arange(5.0),
            electrodes=nwb.create_electrode_table_region([0, 1, 2, 3], "all"),
        )
    )  # fmt: skip
    path = nwb_files.write(nwb, tmp_path / "x.nwb")
    recording = read_recording(path, audio="mic", trigger="pair_1")
    with pytest.raises(InputError, match=r"audio: found 'fast' .*not on the clock of the voltages"):
        read_recording(path, audio="fast")
    assert len(recording.electrodes) == 4 and recording.names[4:] == ("mic", "pair_0", "pair_1")
    np.testing.assert_allclose(recording.read(7, 9, ["mic", "pair_1"]), [[4.5, -7], [5, -8]])


def test_no_electrodes_and_no_rate(tmp_path: Path) -> None:
    nwb = nwb_files.new(2)
    times = np.array([0.0, 0.1, 0.35, 0.4, *np.arange(1, 20)])
    nwb.add_acquisition(nwb_files.series(nwb, counts(len(times), 2), timestamps=times))
    with pytest.raises(InputError, match="not uniform"):
        read_recording(nwb_files.write(nwb, tmp_path / "x.nwb"))


def test_links_to_other_files_are_refused(tmp_path: Path) -> None:
    nwb = nwb_files.new(2)
    nwb.add_acquisition(nwb_files.series(nwb, counts(c=2), rate=RATE))
    path = nwb_files.write(nwb, tmp_path / "x.nwb")
    (tmp_path / "secret.h5").write_bytes(path.read_bytes())
    with h5py.File(path, "a") as file:
        del file["acquisition/voltage/data"]
        file["acquisition/voltage/data"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "acquisition/voltage/data")
    with pytest.raises(InputError, match="a link to another file"):
        read_recording(path)
    with h5py.File(path, "a") as file:
        del file["acquisition/voltage/data"]
        file["acquisition/voltage"].create_dataset(
            "data", shape=(400, 2), dtype="u2", external=[("other.raw", 0, 1600)]
        )
    with pytest.raises(InputError, match="data in another file"):
        read_recording(path)
