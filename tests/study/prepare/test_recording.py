"""The whole road: a raw recording of known truth, through `heschl ecog prepare`, to a study that finds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import xarray as xr
from scipy import signal
from typer.testing import CliRunner

from heschl.checks import InputError
from heschl.cli import app
from heschl.ecog import read_responses
from heschl.study import open_results, run_study
from heschl.study.prepare.recording import prepare
from heschl.study.work.progress import Reporter

pytest.importorskip("mne")
SFREQ, PPM, DELAY = 1000.0, 40.0, 0.12
DRIVEN, SILENT = ("G0", "G1", "G2"), tuple(f"G{i}" for i in range(3, 10))

RECORDING = """
subject = "S1"
file = "S1.npz"
out = "S1.zarr"
events = "events.csv"
audio = "mic"
sounds = "stimuli/*.wav"
[clean]
reference = "none"
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise of 1/f, hum, a dead channel; three electrodes that follow the sound; the sound, late and slow."""
    folder = tmp_path_factory.mktemp("raw")
    (folder / "stimuli").mkdir()
    rng = np.random.default_rng(0)
    sounds = {}
    for i in range(8):
        n = 16000 * 2
        gain = np.repeat(rng.uniform(0.02, 1, 20), n // 20)
        sounds[f"s{i}"] = (
            0.2 * gain * signal.sosfilt(signal.butter(2, 400, fs=16000, output="sos"), rng.standard_normal(n))
        )
        soundfile.write(folder / "stimuli" / f"s{i}.wav", sounds[f"s{i}"], 16000)
    names = [f"s{i % 8}" for i in range(24)]
    nominal = 3.0 + 3.5 * np.arange(24)
    true = DELAY + nominal * (1 + PPM * 1e-6)
    t = np.arange(int((true[-1] + 5) * SFREQ)) / SFREQ
    level, mic = np.zeros(len(t)), 1e-4 * rng.standard_normal(len(t))
    for name, onset in zip(names, true, strict=True):
        its = np.arange(len(sounds[name])) / 16000 * (1 + PPM * 1e-6)
        low = signal.sosfiltfilt(signal.butter(4, 400, fs=16000, output="sos"), sounds[name])
        mic += np.interp(t - onset, its, low, left=0, right=0)
        smooth = np.abs(signal.hilbert(low))
        level += np.interp(t - onset - 0.08, its, smooth, left=0, right=0)  # 80 ms later
    level = signal.sosfiltfilt(signal.butter(2, 8, fs=SFREQ, output="sos"), level)
    spectrum = np.fft.rfft(rng.standard_normal((len(t), 10)), axis=0)
    data = np.fft.irfft(spectrum / np.maximum(1, np.fft.rfftfreq(len(t), 1 / SFREQ))[:, None], len(t), axis=0)
    band = signal.butter(4, [70, 150], "bandpass", fs=SFREQ, output="sos")
    for i in range(len(DRIVEN)):
        burst = np.maximum(level, 0) * signal.sosfiltfilt(band, rng.standard_normal(len(t)))
        data[:, i] += 3 * burst * signal.sosfiltfilt(band, data[:, i]).std() / burst.std()
    data += 0.5 * data.std() * np.sin(2 * np.pi * 60 * t)[:, None]
    data = np.concatenate([1e-4 * data, np.full((len(t), 1), 3e-5), mic[:, None]], axis=1)
    np.savez(folder / "S1.npz", data=data, sfreq=SFREQ, names=np.array([*DRIVEN, *SILENT, "dead", "mic"]))
    events = pd.DataFrame({"onset": nominal, "duration": 2.0, "stimulus": names})
    events.to_csv(folder / "events.csv", index=False)
    (folder / "recording.toml").write_text(RECORDING)
    return folder


@pytest.fixture(scope="module")
def prepared(raw: Path) -> Path:
    said = CliRunner().invoke(app, ["ecog", "prepare", str(raw / "recording.toml")])
    assert said.exit_code == 0, said.output
    return raw / "S1.zarr"


def test_the_truth_is_found(prepared: Path) -> None:
    found = xr.open_zarr(prepared, consolidated=False)
    assert found["electrode"].values.tolist() == list(DRIVEN)
    assert dict(found.sizes) == {"stimulus": 8, "repeat": 3, "time": 300, "electrode": 3}
    said = found.attrs["provenance"]
    for words in ("dead", "60 Hz", "24 of 24 onsets", "3 of 10 electrodes chosen", "8 Gaussian"):
        assert words in said
    ppm = float(said.split("clock drift ")[1].split(" ppm")[0])
    assert abs(ppm - PPM) < 10 and "offset +0.12" in said
    assert (found["ceiling.r2"].values > 0.4).all() and (found["select.p"].values < 0.01).all()
    report = prepared.with_suffix(".md").read_text()
    assert "dead: flat" in report and "median" in report
    assert prepared.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_a_study_takes_it_as_it_is(prepared: Path) -> None:
    study = prepared.with_name("study.toml")
    study.write_text(
        'name = "road"\n[stimuli]\nsounds = "stimuli/*.wav"\n[responses]\nmissing = "mask"\n'
        '[responses.subjects]\nS1 = "S1.zarr"\n[grid]\nrate = 50.0\n[features.envelope]\nkind = "envelope"\n'
        "cutoff = 10.0\n[encoding]\ntmax = 0.2\nalphas = [1.0, 1e2, 1e4]\nfolds = 4\n"
    )
    results = open_results(run_study(study))
    assert (results["best_r"].mean("fold").values > 0.5).all()
    # shuffled, what remains is that all sounds begin and end
    assert (results["best_r"].mean("fold") - results["best_r_shuffled"].mean("fold") > 0.15).values.all()


def test_what_missing_sound_and_settings_say(raw: Path, tmp_path: Path) -> None:
    def fails(text: str, match: str) -> None:
        path = raw / "other.toml"
        path.write_text(text)
        with pytest.raises(InputError, match=match):
            prepare(path, Reporter(None))

    fails(RECORDING.replace('audio = "mic"\n', ""), "audio, sounds")
    fails(RECORDING.replace('audio = "mic"', 'audio = "G9"'), "heard in it")
    fails(RECORDING.replace('out = "S1.zarr"', 'out = "S1.csv"'), r"ends in \.zarr")
    fails(RECORDING + "[hg]\n", "hg.*unknown key")
    fails(RECORDING + '[select]\nmethod = "luck"\n', "select.method.*'luck'")
    fails(RECORDING.replace('file = "S1.npz"', 'file = "absent.edf"'), "no such file")
    fails(RECORDING + "[select]\nalpha = 1e-300\n", "0 of 10 electrodes chosen.*smallest p")
    with pytest.raises(InputError, match="no such file"):
        prepare(tmp_path / "recording.toml", Reporter(None))
    assert not (raw / "other.zarr").exists()


def test_onsets_as_the_events_say(raw: Path) -> None:
    path = raw / "plain.toml"
    text = RECORDING.replace('audio = "mic"\nsounds = "stimuli/*.wav"\n', "").replace("S1.zarr", "plain.zarr")
    path.write_text(text + '[select]\nmethod = "none"\n[high_gamma]\nbands = "single"\nnormalize = "log"\n')
    found = read_responses(prepare(path, Reporter(None)), "S1", missing="mask")
    assert len(found.electrodes) == 10 and len(found.trials) == 24  # the microphone is unlike the others, and so bad


@pytest.mark.parametrize("how", ["codes", "order"])
def test_a_recording_from_the_shell_and_its_triggers(tmp_path: Path, how: str) -> None:
    out = tmp_path / "raw"
    said = CliRunner().invoke(app, ["ecog", "simulate", "--out", str(out), "--format", "npz", "--seed", "2"])
    assert said.exit_code == 0, said.output
    settings = out / "recording.toml"
    text = settings.read_text().replace('events = "events.csv"\n', "").replace('audio = "mic"\n', "")
    codes = ", ".join(f'"{i + 1}" = "sentence{i:02d}"' for i in range(10))
    named = f"codes = {{ {codes} }}\n" if how == "codes" else 'order = "events.csv"\n'
    electrodes = "[trigger]\nchannel = 'trigger'\n" + named
    settings.write_text(text + electrodes)
    found = xr.open_zarr(prepare(settings, Reporter(None)), consolidated=False)
    truth = pd.read_csv(out / "truth.csv").set_index("name")["kind"]
    assert found["electrode"].values.tolist() == truth.index[truth == "driven"].tolist()
    for bad in ("", named + 'order = "events.csv"\ncodes = { "1" = "a" }\n'):
        settings.write_text(text + "[trigger]\nchannel = 'trigger'\n" + bad)
        with pytest.raises(InputError, match=r"trigger|TOML|overwrite"):
            prepare(settings, Reporter(None))
    again = CliRunner().invoke(app, ["ecog", "simulate", "--out", str(out)])
    assert again.exit_code == 2 and "which exists" in again.output


def test_high_gamma_that_is_given(raw: Path) -> None:
    """Values that are high gamma already go through as they are, 100 a second."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((9000, 4)).astype(np.float32)
    np.savez(raw / "given.npz", data=values, sfreq=100.0)
    (raw / "given.toml").write_text(
        'subject = "S1"\nfile = "given.npz"\nout = "given.zarr"\nevents = "events.csv"\n'
        '[high_gamma]\nbands = "given"\n[select]\nmethod = "none"\n'
    )
    found = read_responses(prepare(raw / "given.toml", Reporter(None)), "S1", missing="mask")
    assert len(found.electrodes) == 4 and found.sfreq == 100.0
    at = found.stimuli.index("s0")
    events = pd.read_csv(raw / "events.csv")
    onset = events.loc[events["stimulus"] == "s0", "onset"].to_numpy()
    own = [values[round((t - 0.5) * 100) :][: len(found.trials[at])] for t in onset]
    assert min(np.abs(found.trials[at] - part).max() for part in own) < 1e-4


def test_a_bad_span_without_an_end(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", data=np.zeros((3000, 2)), sfreq=SFREQ, names=["G1", "G2"])
    (tmp_path / "events.csv").write_text("onset,duration,stimulus\n1,0,BAD_seizure\n")
    settings = 'subject = "S1"\nfile = "x.npz"\nout = "S1.zarr"\nevents = "events.csv"\n'
    (tmp_path / "recording.toml").write_text(settings)
    with pytest.raises(InputError, match="open_bad='to_end'"):
        prepare(tmp_path / "recording.toml", Reporter(None))
    (tmp_path / "recording.toml").write_text(settings + 'open_bad = "to_end"\n')
    with pytest.raises(InputError, match="no event in"):  # the span is an artefact now, and there is nothing else
        prepare(tmp_path / "recording.toml", Reporter(None))
    (tmp_path / "recording.toml").write_text(settings + 'series = "lfp"\n')
    with pytest.raises(InputError, match=r"series: found 'lfp'"):
        prepare(tmp_path / "recording.toml", Reporter(None))
