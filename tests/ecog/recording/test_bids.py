"""iEEG-BIDS by its sidecars: inherited, matched by space, obeyed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ecog.recording.edf_files import Edf, Signal
from heschl.checks import InputError
from heschl.ecog import read_recording

NAMES = ("G1", "G2", "MIC")


def dataset(root: Path, **files: str) -> Path:
    """Write a recording with sidecars, given by their names below sub-01/ieeg, or from the root with "../../"."""
    folder = root / "sub-01" / "ieeg"
    folder.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.8.0"}))
    x = 100 * np.random.default_rng(0).standard_normal((3, 1000))
    path = folder / "sub-01_task-x_run-1_ieeg.edf"
    Edf([Signal(n, v, 100) for n, v in zip(NAMES, x, strict=True)], annotations=[(1.0, 1.0, "own")]).write(path)
    for name, text in files.items():
        (folder / name).write_text(text)
    return path


CHANNELS = (
    "name\ttype\tunits\tstatus\tstatus_description\n"
    "G1\tECOG\tuV\tgood\tn/a\nG2\tSEEG\tuV\tbad\tnoisy\nMIC\tMISC\tn/a\tn/a\tn/a\n"
)


def test_channels_events_and_mains(tmp_path: Path) -> None:
    path = dataset(
        tmp_path,
        **{
            "sub-01_task-x_run-1_channels.tsv": CHANNELS,
            "sub-01_task-x_run-1_events.tsv": "onset\tduration\tstim_file\ttrial_type\n2\t1\tstimuli/NA.wav\tn/a\n"
            "3\t1\tn/a\tbutton\n4\t0.5\tn/a\tBAD_cough\n",
            "../../task-x_ieeg.json": json.dumps({"PowerLineFrequency": 50, "SamplingFrequency": 100}),
        },
    )
    recording = read_recording(path, audio="MIC")
    assert recording.good == ["G1"] and list(recording.electrodes.index) == ["G1", "G2"]
    assert recording.electrodes.loc["G2", "reason"] == "noisy"
    assert recording.events.values.tolist() == [[2.0, 1.0, "NA"]] and recording.artefacts.tolist() == [[4.0, 4.5]]
    assert recording.mains == 50.0


def test_sidecars_of_other_runs_are_not_ours_and_the_nearest_counts(tmp_path: Path) -> None:
    path = dataset(
        tmp_path,
        **{
            "sub-01_task-x_run-2_events.tsv": "onset\tduration\tstimulus\n9\t1\tother\n",
            "sub-01_task-x_events.tsv": "onset\tduration\tstimulus\n5\t1\tmine\n",
            "../../task-x_events.tsv": "onset\tduration\tstimulus\n6\t1\tof all\n",
            "../../ieeg.json": json.dumps({"PowerLineFrequency": 50}),
            "sub-01_task-x_ieeg.json": json.dumps({"PowerLineFrequency": 60}),
        },
    )
    recording = read_recording(path)
    assert recording.events["stimulus"].tolist() == ["mine"] and recording.mains == 60.0


def electrodes(scale: float) -> str:
    return f"name\tx\ty\tz\tanat\nG1\t{10 * scale}\t{20 * scale}\t{30 * scale}\tSTG\nG2\tn/a\tn/a\tn/a\tn/a\n"


SPACES = {
    "sub-01_space-ACPC_electrodes.tsv": electrodes(7),
    "sub-01_space-ACPC_coordsystem.json": json.dumps({"iEEGCoordinateSystem": "ACPC", "iEEGCoordinateUnits": "m"}),
    "sub-01_space-MNI152NLin2009bAsym_electrodes.tsv": electrodes(1),
    "sub-01_space-MNI152NLin2009bAsym_coordsystem.json": json.dumps(
        {"iEEGCoordinateSystem": "MNI152NLin2009bAsym", "iEEGCoordinateUnits": "mm"}
    ),
}


def test_positions_of_a_template_with_their_own_unit(tmp_path: Path) -> None:
    recording = read_recording(dataset(tmp_path, **SPACES))
    assert recording.electrodes.loc["G1", ["x", "y", "z"]].tolist() == pytest.approx([0.01, 0.02, 0.03])
    assert recording.electrodes["region"].tolist() == ["STG", ""]
    assert np.isnan(recording.electrodes.loc["G2", "x"])
    assert any("MNI152" in note and "mm" in note for note in recording.provenance)


def test_the_system_of_files_without_a_space(tmp_path: Path) -> None:
    own = {
        "sub-01_electrodes.tsv": electrodes(1), "sub-01_space-ACPC_electrodes.tsv": electrodes(7),
        "sub-01_coordsystem.json": json.dumps({"iEEGCoordinateSystem": "MNI305", "iEEGCoordinateUnits": "cm"}),
    }  # fmt: skip
    recording = read_recording(dataset(tmp_path, **own))
    assert recording.electrodes.loc["G1", "x"] == pytest.approx(0.1)


def test_positions_in_no_unit(tmp_path: Path) -> None:
    own = {
        "sub-01_electrodes.tsv": electrodes(1),
        "sub-01_coordsystem.json": json.dumps({"iEEGCoordinateSystem": "Pixels", "iEEGCoordinateUnits": "pixels"}),
    }
    with pytest.warns(UserWarning, match="'pixels' are not used"):
        assert read_recording(dataset(tmp_path, **own)).electrodes["x"].isna().all()


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("sub-01_task-x_channels.tsv", CHANNELS.replace("bad", "maybe"), "'maybe'"),
        ("sub-01_task-x_channels.tsv", CHANNELS + "G9\tECOG\tuV\tgood\tn/a\n", "'G9'"),
        ("sub-01_task-x_channels.tsv", CHANNELS.replace("SEEG\tuV", "SEEG\tcm"), "'cm'"),
        ("sub-01_task-x_channels.tsv", "", "an empty table"),
        ("sub-01_task-x_ieeg.json", "{", "JSON"),
        ("sub-01_task-x_ieeg.json", "[" * 100_000, "JSON"),
        ("sub-01_task-x_ieeg.json", json.dumps({"SamplingFrequency": "n/a"}), "SamplingFrequency"),
        ("sub-01_task-x_events.tsv", "onset\tduration\tstimulus\nlate\t1\ta\n", "'late'"),
        ("sub-01_electrodes.tsv", "name\tx\nG1\tnear\n", "'near'"),
    ],
)
def test_sidecars_that_cannot_be_obeyed(tmp_path: Path, name: str, text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_recording(dataset(tmp_path, **{name: text}))
