"""The whole road with known truth: a simulated recording in every format, triggers, artefacts, processed high gamma."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.ecog.cleaning import mark_bad_channels, remove_line_noise, rereference
from heschl.ecog.cleaning.artefacts import mark_artefacts
from heschl.ecog.epochs import epoch
from heschl.ecog.high_gamma import high_gamma
from heschl.ecog.onsets import corrected, find_onsets, fit_drift
from heschl.ecog.recording.readers import read_recording
from heschl.ecog.recording.recording import ArraySource, Recording
from heschl.ecog.recording.writers import write_recording
from heschl.ecog.responses.trials import Responses
from heschl.ecog.selection import speech_responsive
from heschl.ecog.simulate import Truth, simulate_recording
from heschl.ecog.triggers import trigger_events

pytest.importorskip("mne")
RATE = 8000.0


def sounds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    gains = [np.repeat(rng.uniform(0.02, 1, 14), 1000) for _ in range(16)]
    return {f"s{i}": gain * rng.standard_normal(len(gain)) for i, gain in enumerate(gains)}


@pytest.fixture(scope="module")
def simulated() -> tuple[Recording, Truth]:
    return simulate_recording(sounds(), RATE, n_repeats=2, drift_ppm=50.0, seed=1)


def prepared(recording: Recording) -> Responses:
    clean = rereference(remove_line_noise(mark_bad_channels(recording)), "none")
    gamma = high_gamma(clean)
    return epoch(gamma.values, gamma.rate, recording.events, electrodes=tuple(gamma.electrodes.index))


def test_onsets_within_two_milliseconds_under_drift(simulated: tuple[Recording, Truth]) -> None:
    recording, truth = simulated
    mic = recording.read(0, recording.n_samples, ["mic"])[:, 0]
    resampled = {name: np.interp(np.arange(0, 1.75, 1e-3), np.arange(14000) / RATE, s) for name, s in sounds().items()}
    found = find_onsets(mic, recording.sfreq, resampled, recording.events)
    drift = fit_drift(found["nominal"].to_numpy(), found["onset"].to_numpy())
    assert abs(drift.ppm - 50) < 15 and abs(drift.offset - truth.offset) < 2e-3
    assert np.abs(corrected(found, drift)["onset"].to_numpy() - truth.onsets).max() < 2e-3


def test_planted_electrodes_bad_channels_and_envelopes(simulated: tuple[Recording, Truth]) -> None:
    recording, truth = simulated
    marked = mark_bad_channels(recording)
    assert set(marked.electrodes.index[marked.electrodes["bad"]]) == set(truth.bad)
    clean = remove_line_noise(marked)
    assert "60 Hz" in clean.provenance[-1]
    gamma = high_gamma(clean, normalize="none")
    trials = epoch(gamma.values, gamma.rate, recording.events, electrodes=tuple(gamma.electrodes.index))
    table = speech_responsive(trials)
    assert set(table.index[table["selected"]]) == set(truth.driven)


@pytest.mark.parametrize(("in_band_db", "least"), [(6.0, 0.93), (0.0, 0.7)])
def test_planted_envelopes_are_recovered(in_band_db: float, least: float) -> None:
    """Bursts of 6 dB above the background of their own band are still below 0 dB of the whole trace.

    At 0 dB within the band, the background's own envelope is what limits any estimate at the rate of syllables.
    """
    recording, truth = simulate_recording(sounds(), RATE, n_repeats=1, snr_db=in_band_db, seed=1)
    without, _ = simulate_recording(sounds(), RATE, n_repeats=1, snr_db=-200.0, seed=1)
    traces = [r.read(0, r.n_samples, list(truth.driven)) for r in (recording, without)]
    assert np.std(traces[0] - traces[1]) < np.std(traces[1])
    gamma = high_gamma(remove_line_noise(mark_bad_channels(recording)), normalize="none")
    at = (np.arange(len(gamma.values)) / gamma.rate * recording.sfreq).astype(int)
    for i, name in enumerate(truth.driven):
        found = np.convolve(gamma.values[:, list(gamma.electrodes.index).index(name)], np.hanning(21) / 10, "same")
        known = np.isfinite(found)
        r = np.corrcoef(found[known], truth.envelopes[at, i][known])[0, 1]
        assert r > least, r


@pytest.mark.parametrize("format", ["bids", "nwb", "edf", "fif", "npz", "mat"])
def test_every_format_gives_the_same_responses(simulated: tuple[Recording, Truth], format: str, tmp_path: Path) -> None:
    pytest.importorskip({"bids": "pybv", "nwb": "pynwb", "edf": "edfio"}.get(format, "mne"))
    whole, _ = simulated
    short = replace(
        whole, n_samples=20_000, source=ArraySource(whole.source.values[:20_000]),  # type: ignore[attr-defined]
        events=whole.events[whole.events["onset"] < 16],
    )  # fmt: skip
    path = write_recording(short, tmp_path, format)
    tables = format in ("npz", "mat")
    found = read_recording(
        path, audio="mic", trigger="trigger",
        events=tmp_path / "recording_events.csv" if tables else None,
        electrodes=tmp_path / "recording_electrodes.csv" if tables else None,
    )  # fmt: skip
    assert found.electrodes.index.tolist() == whole.electrodes.index.tolist()
    np.testing.assert_allclose(found.events["onset"], short.events["onset"], atol=1e-4)
    one, other = prepared(short), prepared(found)
    assert one.electrodes == other.electrodes and one.stimuli == other.stimuli
    for a, b in zip(one.trials, other.trials, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-2)  # z; formats store 16 or 24 bits
    pulses = found.read(0, found.n_samples, ["trigger"])[:, 0]
    assert np.abs(pulses - short.read(0, short.n_samples, ["trigger"])[:, 0]).max() < 0.02


def test_an_unknown_format(simulated: tuple[Recording, Truth], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="format"):
        write_recording(simulated[0], tmp_path, "wav")


def test_codes_of_a_file_that_calls_them_microvolts(simulated: tuple[Recording, Truth]) -> None:
    """An EDF's trigger channel of the unit uV comes in V; a voltage of whole microvolts is none of codes."""
    recording, truth = simulated
    durations = dict.fromkeys(sounds(), 1.75)
    values = recording.source.values.copy()  # type: ignore[attr-defined]
    at = recording.names.index("trigger")
    for unit in (1e-3, 1e-6):
        values[:, at] = unit * recording.source.values[:, at]  # type: ignore[attr-defined]
        small = replace(recording, source=ArraySource(values))
        for how in (
            {"codes": {i + 1: name for i, name in enumerate(sounds())}},
            {"order": recording.events["stimulus"]},
        ):
            found = trigger_events(small, durations, **how)  # type: ignore[arg-type]
            assert found["stimulus"].tolist() == recording.events["stimulus"].tolist()
            assert np.abs(found["onset"].to_numpy() - truth.onsets).max() <= 1.01 / recording.sfreq
    noise = np.random.default_rng(0).normal(0, 20, len(values)).round()
    values[:, at] = 1e-6 * (noise + 50_000 * (recording.source.values[:, at] > 0))  # type: ignore[attr-defined]
    found = trigger_events(
        replace(recording, source=ArraySource(values)), durations, order=recording.events["stimulus"]
    )
    assert np.abs(found["onset"].to_numpy() - truth.onsets).max() <= 1.01 / recording.sfreq


def test_triggers_by_code_and_in_order(simulated: tuple[Recording, Truth]) -> None:
    recording, truth = simulated
    durations = dict.fromkeys(sounds(), 1.75)
    codes = {i + 1: name for i, name in enumerate(sounds())}
    for how in ({"codes": codes}, {"order": recording.events["stimulus"].tolist()}):
        found = trigger_events(recording, durations, **how)  # type: ignore[arg-type]
        assert found["stimulus"].tolist() == recording.events["stimulus"].tolist()
        assert np.abs(found["onset"].to_numpy() - truth.onsets).max() <= 1.01 / recording.sfreq
    order = recording.events["stimulus"].tolist()
    with pytest.raises(InputError, match=r"32 pulses; the longest pause begins at .* expected 33"):
        trigger_events(recording, durations, order=[*order, "s0"])
    with pytest.raises(InputError, match="no code 19"):
        trigger_events(recording, durations, codes={19: "s0"})
    with pytest.raises(InputError, match="none of 's0'"):
        trigger_events(recording, {}, codes=codes)
    with pytest.raises(InputError, match="codes, order"):
        trigger_events(recording, durations)
    with pytest.raises(InputError, match="no trigger channel"):
        trigger_events(replace(recording, trigger=None), durations, codes=codes)
    with pytest.raises(InputError, match="constant channel"):
        trigger_events(replace(recording, trigger=truth.bad[0]), durations, order=order)


def test_artefacts_are_found_and_left_out(simulated: tuple[Recording, Truth]) -> None:
    recording, _ = simulated
    values = recording.source.values.copy()  # type: ignore[attr-defined]
    rng = np.random.default_rng(2)
    values[15_000:15_800, :12] += 0.02 * rng.standard_normal((800, 12)).cumsum(axis=0)
    marked = mark_artefacts(mark_bad_channels(replace(recording, source=ArraySource(values))))
    assert len(marked.artefacts) == 1 and marked.artefacts[0, 0] <= 15.0 and marked.artefacts[0, 1] >= 15.8
    gamma = high_gamma(marked)
    assert np.isnan(gamma.values[1510:1575]).all() and not np.isnan(gamma.values[1700:1900]).any()
    untouched = mark_artefacts(mark_bad_channels(recording))
    assert len(untouched.artefacts) == 0 and "0 artefacts" in untouched.provenance[-1]
    with pytest.raises(InputError, match="share"):
        mark_artefacts(recording, share=0.0)


def test_arrays_of_one_file(simulated: tuple[Recording, Truth], tmp_path: Path) -> None:
    xr = pytest.importorskip("xarray")
    recording, _ = simulated
    values = recording.read(0, 2000, recording.names)
    np.save(tmp_path / "x.npy", values)
    found = read_recording(tmp_path / "x.npy", sfreq=1000.0)
    np.testing.assert_array_equal(found.read(10, 20, ["e3"])[:, 0], values[10:20, 3])
    with pytest.raises(InputError, match=r"sfreq.*a rate in Hz for x\.npy"):
        read_recording(tmp_path / "x.npy")
    times = np.arange(2000) / 1000.0
    data = xr.Dataset({"data": (("channel", "time"), values.T)}, {"time": times, "channel": list(recording.names)})
    data.to_zarr(tmp_path / "x.zarr", consolidated=False)
    found = read_recording(tmp_path / "x.zarr", audio="mic", trigger="trigger")
    assert found.sfreq == pytest.approx(1000.0) and found.names == recording.names
    np.testing.assert_array_equal(found.read(10, 20, ["E03", "mic"]), values[10:20][:, [3, 14]])
    uneven = data.assign_coords(time=times**2)
    uneven.to_zarr(tmp_path / "uneven.zarr", consolidated=False)
    with pytest.raises(InputError, match="not uniform"):
        read_recording(tmp_path / "uneven.zarr")
    xr.Dataset({"voltage": ("time", times)}).to_zarr(tmp_path / "other.zarr", consolidated=False)
    with pytest.raises(InputError, match="voltage"):
        read_recording(tmp_path / "other.zarr")


def test_processed_high_gamma_in_nwb(tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb")
    values = np.random.default_rng(3).standard_normal((500, 3))

    def write(path: Path, count: int) -> Path:
        nwb = pynwb.NWBFile("x", "x", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        module = nwb.create_processing_module("ecephys", "processed")
        for i in range(count):
            module.add(pynwb.TimeSeries(name=f"high_gamma{i}", data=values, unit="V", rate=100.0))
        nwb.add_trial_column("stimulus", "sound")
        nwb.add_trial(start_time=1.0, stop_time=2.0, stimulus="a.wav")
        with pynwb.NWBHDF5IO(str(path), "w") as file:
            file.write(nwb)
        return path

    found = read_recording(write(tmp_path / "x.nwb", 1))
    assert found.sfreq == 100.0 and found.events["stimulus"].tolist() == ["a"]
    np.testing.assert_array_equal(found.read(0, 500, ["e0", "e1", "e2"]), values)
    for count in (0, 2):
        with pytest.raises(InputError, match=f"no ElectricalSeries among its acquisitions, and {count} processed"):
            read_recording(write(tmp_path / f"{count}.nwb", count))


def test_simulations_that_cannot_be() -> None:
    with pytest.raises(InputError, match="sounds"):
        simulate_recording({}, RATE)
    with pytest.raises(InputError, match="above 400 Hz"):
        simulate_recording(sounds(), RATE, sfreq=300.0)
