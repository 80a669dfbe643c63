"""The same recording in every format: the same samples, electrodes, events; what cannot be read is said."""

from __future__ import annotations

import datetime
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from heschl.checks import InputError
from heschl.ecog.recording.readers import read_recording

mne = pytest.importorskip("mne")

SFREQ, N = 500.0, 5000
NAMES = ["G1", "G2", "G3", "S1"]
# how far a sample may be off: formats store 16-bit numbers, 24 kinds of float, or the very samples
STEP = {"edf": 2e-3 / 2**16, "vhdr": 1e-7, "fif": 1e-9, "nwb": 0.0, "npz": 0.0, "mat": 0.0, "mat73": 0.0, "bids": 1e-7}


def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    out = 1e-4 * rng.standard_normal((N, 5)).cumsum(axis=0) / 30
    out[:, 4] = 5e-4 * np.sin(np.arange(N))
    return out


def raw() -> object:
    info = mne.create_info([*NAMES, "mic"], SFREQ, ["ecog"] * 4 + ["misc"])
    made = mne.io.RawArray(values().T, info, verbose="error")
    made.set_annotations(mne.Annotations([1.0, 4.0, 6.0], [2.0, 2.0, 0.5], ["a.wav", "b", "BAD_motion"]))
    made.info["bads"] = ["G3"]
    return made


def write_fif(folder: Path) -> Path:
    raw().save(folder / "x_ieeg.fif", fmt="double", verbose="error")  # type: ignore[attr-defined]
    return folder / "x_ieeg.fif"


def write_edf(folder: Path) -> Path:
    pytest.importorskip("edfio")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = raw().copy().set_channel_types({"mic": "ecog"}, verbose="error")  # type: ignore[attr-defined]
        mne.export.export_raw(folder / "x.edf", made, physical_range=(-1000, 1000), verbose="error")
    return folder / "x.edf"


def write_vhdr(folder: Path) -> Path:
    pytest.importorskip("pybv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mne.export.export_raw(folder / "x.vhdr", raw(), verbose="error")
    return folder / "x.vhdr"


def write_bids(folder: Path) -> Path:
    bids = pytest.importorskip("mne_bids")
    pytest.importorskip("pybv")
    made = raw()
    made.info["line_freq"] = 60  # type: ignore[attr-defined]
    positions = {name: [0.01 * i, 0.02, 0.03] for i, name in enumerate(NAMES)}
    made.set_montage(mne.channels.make_dig_montage(positions, coord_frame="mni_tal"), verbose="error")  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = bids.write_raw_bids(
            made, bids.BIDSPath(subject="01", task="listen", datatype="ieeg", root=folder / "bids"),
            allow_preload=True, format="BrainVision", overwrite=True, verbose="error",
        )  # fmt: skip
    return Path(path.fpath)


def write_nwb(folder: Path) -> Path:
    pynwb = pytest.importorskip("pynwb")
    nwb = pynwb.NWBFile("x", "x", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    device = nwb.create_device("grid")
    nwb.add_electrode_column("channel_name", "name")
    nwb.add_electrode_column("bad", "bad channel")
    groups = {name: nwb.create_electrode_group(name, name, "cortex", device) for name in ("grid", "strip")}
    for i, name in enumerate(NAMES):
        nwb.add_electrode(
            x=0.01 * i, y=0.02, z=0.03, location="STG", group=groups["strip" if name == "S1" else "grid"],
            channel_name=name, bad=name == "G3",
        )  # fmt: skip
    nwb.add_acquisition(
        pynwb.ecephys.ElectricalSeries(
            "voltage", values()[:, :4], nwb.create_electrode_table_region(list(range(4)), "all"), rate=SFREQ
        )
    )
    nwb.add_trial_column("stimulus", "sound")
    nwb.add_trial(start_time=1.0, stop_time=3.0, stimulus="a.wav")
    nwb.add_trial(start_time=4.0, stop_time=6.0, stimulus="b")
    with pynwb.NWBHDF5IO(str(folder / "x.nwb"), "w") as file:
        file.write(nwb)
    return folder / "x.nwb"


def write_npz(folder: Path) -> Path:
    np.savez(folder / "x.npz", data=values(), sfreq=SFREQ, names=np.array([*NAMES, "mic"]))
    return folder / "x.npz"


def write_mat(folder: Path) -> Path:
    from scipy import io

    names = np.array([*NAMES, "mic"], dtype=object)
    io.savemat(folder / "x.mat", {"data": values(), "sfreq": SFREQ, "names": names})
    return folder / "x.mat"


def write_mat73(folder: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "x73.mat", "w") as file:
        file["data"] = values().T  # MATLAB's order
        file["sfreq"] = np.array([[SFREQ]])
        cells = file.create_dataset("names", (1, 5), dtype=h5py.ref_dtype)
        for i, name in enumerate([*NAMES, "mic"]):
            file[f"cell{i}"] = np.array([[ord(letter)] for letter in name], dtype=np.uint16)
            cells[0, i] = file[f"cell{i}"].ref
    return folder / "x73.mat"


WRITERS: dict[str, Callable[[Path], Path]] = {
    "fif": write_fif, "edf": write_edf, "vhdr": write_vhdr, "bids": write_bids, "nwb": write_nwb, "npz": write_npz,
    "mat": write_mat, "mat73": write_mat73,
}  # fmt: skip


@pytest.mark.parametrize("form", WRITERS)
def test_every_format_gives_the_same(tmp_path: Path, form: str) -> None:
    path = WRITERS[form](tmp_path)
    found = read_recording(path, subject="S1", audio=None if form == "nwb" else "mic")
    assert (found.sfreq, found.n_samples, list(found.electrodes.index)) == (SFREQ, N, NAMES)
    assert found.good == (NAMES if form in ("npz", "mat", "mat73", "edf", "vhdr") else ["G1", "G2", "S1"])
    truth = values()
    for channels in (["S1", "G2"], NAMES):
        read = found.read(1000, 1500, channels)
        np.testing.assert_allclose(read, truth[1000:1500, [NAMES.index(c) for c in channels]], atol=STEP[form])
    if form != "nwb":
        np.testing.assert_allclose(found.read(0, N, ["mic"])[:, 0], truth[:, 4], atol=STEP[form])
    if form not in ("npz", "mat", "mat73"):
        assert found.events.values.tolist() == [[1.0, 2.0, "a"], [4.0, 2.0, "b"]]
        assert found.artefacts.tolist() == ([] if form == "nwb" else [[6.0, 6.5]])
    if form in ("nwb", "bids"):
        assert found.electrodes.loc["G2", ["x", "y", "z"]].tolist() == pytest.approx([0.01, 0.02, 0.03], abs=1e-6)
    assert "4 electrodes, 10.0 s at 500 Hz" in found.provenance[0]


def test_tables_beside_the_file(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": NAMES[:3], "region": ["STG", "STG", "MTG"], "x": 0.01, "bad": [False, True, False]})
    table.to_csv(tmp_path / "electrodes.csv", index=False)
    (tmp_path / "events.tsv").write_text("onset\tduration\tstim_file\n1.5\t2\ta.wav\n3\t1\tn/a\n7\t0.5\tbad_cough\n")
    found = read_recording(
        write_npz(tmp_path), electrodes=tmp_path / "electrodes.csv", events=tmp_path / "events.tsv", trigger="mic"
    )
    assert list(found.electrodes.index) == NAMES[:3] and found.good == ["G1", "G3"] and found.trigger == "mic"
    assert found.electrodes["region"].tolist() == ["STG", "STG", "MTG"]
    assert found.electrodes.loc["G2", "reason"] == "marked in the file"
    assert found.events.values.tolist() == [[1.5, 2.0, "a"]] and found.artefacts.tolist() == [[7.0, 7.5]]


def test_a_sidecar_with_another_rate(tmp_path: Path) -> None:
    path = write_bids(tmp_path)
    sidecar = path.with_name(path.name.replace("_ieeg.vhdr", "_ieeg.json"))
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"SamplingFrequency": 512}))
    with pytest.raises(InputError, match=r"SamplingFrequency: found 512 Hz, and 500 Hz"):
        read_recording(path)


def test_a_truncated_edf(tmp_path: Path) -> None:
    path = write_edf(tmp_path)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InputError, match=r"x\.edf"):
        read_recording(path)


def test_an_nwb_without_voltages(tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb")
    nwb = pynwb.NWBFile("x", "x", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    with pynwb.NWBHDF5IO(str(tmp_path / "x.nwb"), "w") as file:
        file.write(nwb)
    with pytest.raises(InputError, match="no ElectricalSeries"):
        read_recording(tmp_path / "x.nwb")
    (tmp_path / "y.nwb").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"y\.nwb"):
        read_recording(tmp_path / "y.nwb")


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"sfreq": 1.0}, "'data'"),
        ({"data": np.zeros((5, 2))}, "'sfreq'"),
        ({"data": np.zeros(5), "sfreq": 1.0}, "shape"),
        ({"data": np.zeros((5, 2)), "sfreq": -1.0}, "above 0"),
        ({"data": np.zeros((5, 2)), "sfreq": 1.0, "names": np.array(["a"])}, "1 names"),
        ({"data": np.zeros((5, 2)), "sfreq": 1.0, "names": np.array(["a", "a"])}, "'a' more than once"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, np.ndarray], match: str) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InputError, match=match):
        read_recording(tmp_path / "x.npz")


def test_other_faults(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_recording(tmp_path / "absent.edf")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(InputError, match=r"'\.txt'"):
        read_recording(tmp_path / "x.txt")
    with pytest.raises(InputError, match="audio"):
        read_recording(write_npz(tmp_path), audio="microphone")
    pd.DataFrame({"name": ["G9"]}).to_csv(tmp_path / "electrodes.csv")
    with pytest.raises(InputError, match="G9"):
        read_recording(tmp_path / "x.npz", electrodes=tmp_path / "electrodes.csv")
    (tmp_path / "events.csv").write_text("onset,stimulus\n1,a\n")
    with pytest.raises(InputError, match="'duration'"):
        read_recording(tmp_path / "x.npz", events=tmp_path / "events.csv")
