"""Which axis is time, how fast it runs, and names in whatever form a file has them."""

from __future__ import annotations

import json
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from heschl.checks import InputError
from heschl.ecog import read_recording, read_responses
from heschl.ecog.recording.contents import is_transposed

DATA = np.random.default_rng(0).standard_normal((300, 3))


@pytest.mark.parametrize(
    ("shape", "n", "expected"),
    [((300, 3), 3, False), ((3, 300), 3, True), ((2, 3), 3, False), ((3, 2), 3, True), ((300, 3), None, False)],
)
def test_names_tell_the_axes(shape: tuple[int, int], n: int | None, expected: bool) -> None:
    assert is_transposed(shape, n, "x") is expected


@pytest.mark.parametrize(("shape", "n"), [((3, 300), None), ((3, 3), 3), ((3, 3), None), ((300, 3), 4), ((0, 3), 3)])
def test_axes_that_nothing_tells(shape: tuple[int, int], n: int | None) -> None:
    with pytest.raises(InputError, match="3"):
        is_transposed(shape, n, "x")


@pytest.mark.parametrize("kind", ["S", "U", "bytes with blanks"])
@pytest.mark.parametrize("suffix", [".npz", ".zarr"])
def test_names_in_one_form(tmp_path: Path, kind: str, suffix: str) -> None:
    names = ["G1", unicodedata.normalize("NFD", "Gé"), "G3"]
    array = np.array([name.encode() for name in names]) if kind != "U" else np.array(names)
    if kind == "bytes with blanks":
        array = np.array([name.encode() + b"  " for name in names])
    path = tmp_path / f"x{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if suffix == ".npz":
            np.savez(path, data=DATA.T, sfreq=100.0, names=array)
        else:
            xr.Dataset(
                {"data": (("ch", "time"), DATA.T)}, coords={"time": np.arange(300) / 100, "ch": array}
            ).to_zarr(path)  # fmt: skip
        recording = read_recording(path)
    assert recording.names == ("G1", "Gé", "G3")
    np.testing.assert_array_equal(recording.read(3, 9, [unicodedata.normalize("NFC", "Gé")])[:, 0], DATA[3:9, 1])


def zarr(path: Path, times: np.ndarray, **attrs: str) -> Path:
    data = xr.Dataset({"data": (("time", "channel"), DATA)}).assign_coords(time=("time", times, attrs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.to_zarr(path, consolidated=False)
    return path


def test_times_that_are_not_in_seconds(tmp_path: Path) -> None:
    t = np.arange(300.0)
    assert read_recording(zarr(tmp_path / "a.zarr", 2 * t, units="ms")).sfreq == pytest.approx(500)
    assert read_recording(zarr(tmp_path / "b.zarr", 2 * t, units="microseconds")).sfreq == pytest.approx(500_000)
    with pytest.raises(InputError, match="'fortnights'"):
        read_recording(zarr(tmp_path / "c.zarr", t, units="fortnights"))
    with pytest.raises(InputError, match=r"0\.5 samples per second"):  # ms without saying so
        read_recording(zarr(tmp_path / "d.zarr", 2 * t))
    paused = np.concatenate([t[:100], t[100:] + 50]) / 100
    recording = read_recording(zarr(tmp_path / "e.zarr", paused))
    assert recording.n_samples == 350 and np.isnan(recording.read(99, 151, recording.names)).any(axis=1).sum() == 50


def test_netcdf(tmp_path: Path) -> None:
    data = xr.Dataset({"data": (("time", "channel"), DATA)}, coords={"time": np.arange(300) / 100})
    data.to_netcdf(tmp_path / "a.nc", engine="scipy")
    assert read_recording(tmp_path / "a.nc").sfreq == pytest.approx(100)
    (tmp_path / "b.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(InputError, match=r"h5netcdf|damaged|no readable"):
        read_recording(tmp_path / "b.nc")


def test_pickles_in_a_zarr_are_not_opened(tmp_path: Path) -> None:
    folder = tmp_path / "x.zarr"
    (folder / "data").mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    about = {
        "zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "compressor": None, "fill_value": None,
        "order": "C", "filters": [{"id": "pickle", "protocol": 4}],
    }  # fmt: skip
    (folder / "data" / ".zarray").write_text(json.dumps(about))
    with pytest.raises(InputError, match="pickled"):
        read_recording(folder)


@pytest.mark.parametrize("data", [DATA + 1j, DATA > 0, DATA.astype(str)])
def test_samples_that_are_no_real_numbers(tmp_path: Path, data: np.ndarray) -> None:
    np.savez(tmp_path / "x.npz", data=data, sfreq=100.0)
    with pytest.raises(InputError, match=f"values of type {data.dtype}"):
        read_recording(tmp_path / "x.npz")


def responses(path: Path, values: np.ndarray, **others: object) -> Path:
    content = {"responses": values, "stimuli": ["a", "b"], "electrodes": ["e1", "e2", "e3"], "sfreq": 100.0}
    np.savez(path, **(content | others))
    return path


def test_responses_electrode_by_time(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((2, 50, 3))
    for given in (values, values.swapaxes(1, 2)):
        found = read_responses(responses(tmp_path / "x.npz", given), "S1")
        np.testing.assert_array_equal(np.stack(found.trials), values)
    joined = np.concatenate(values)
    for given in (joined, joined.T):
        found = read_responses(responses(tmp_path / "x.npz", given, lengths=[50, 50]), "S1")
        np.testing.assert_array_equal(np.stack(found.trials), values)
    with pytest.raises(InputError, match=r"\(…, time, electrode\), or \(…, electrode, time\)"):
        read_responses(responses(tmp_path / "x.npz", np.zeros((2, 3, 3))), "S1")
    with pytest.raises(InputError, match="an empty name"):
        read_responses(responses(tmp_path / "x.npz", values, stimuli=["a", ".wav"[:0]]), "S1")


def test_names_of_stimuli_in_one_form(tmp_path: Path) -> None:
    names = np.array(["café.WAV".encode(), unicodedata.normalize("NFD", "Mädchen.flac").encode()])
    found = read_responses(responses(tmp_path / "x.npz", np.zeros((2, 50, 3)), stimuli=names), "S1")
    assert found.stimuli == ("café", "Mädchen")
