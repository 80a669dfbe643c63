"""[shared] in a study: what it adds to the results, what it refuses, and that it resumes."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from heschl import CCA, InputError, cca_grid
from heschl.linear.device.cuda import Device
from heschl.linear.device.status import EMULATE
from heschl.study import open_results, run_study
from heschl.study.analyses import layer_map
from heschl.study.analyses.fits import shared as stage
from heschl.study.analyses.fits.shared import Split, shared_variance
from heschl.study.config.study import read_study
from heschl.study.extraction.features import expanded, spoken_rows
from heschl.study.session import Session
from tolerances import KERNEL

SHARED = """
[shared]
speech = "wav"
language = "gpt"
n_components = 2
semantic = "static"
acoustic = "mel"
sweep = [1]
"""


def with_shared(study: Path, extra: str = "", text: str = SHARED) -> Path:
    study.write_text(study.read_text() + text + extra)
    return study


@pytest.fixture(scope="module", autouse=True)
def two_layers_a_piece() -> Iterator[None]:
    """Of three layers there are two pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer_map, "TOGETHER", 2)
        yield


@pytest.fixture(scope="module")
def shared_run(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared") / "cohort"
    shutil.copytree(cohort.parent, folder, ignore=shutil.ignore_patterns("results"))
    return run_study(with_shared(folder / "study.toml"))


def test_pieces_of_layers_with_layers_are_one_map(shared_run: Path) -> None:
    session, results = Session(shared_run.parent / "study.toml"), open_results(shared_run)
    group, speech, language = session.groups[0], session.features["wav"], session.features["gpt"]
    spoken, _ = spoken_rows(language, group)
    a, b = (
        {name: expanded(space.layer(i, group.segments))[spoken] for i, name in enumerate(space.layers)}
        for space in (speech, language)
    )
    fitted = cca_grid(a, b, n_components=2)
    np.testing.assert_allclose(results["layer_correlation"].values, fitted.values, atol=KERNEL["float32"])
    test = np.repeat(group.folds, group.lengths)[spoken] == 0
    held_out = cca_grid(a, b, n_components=2, test=test).sel(rows="test")
    np.testing.assert_allclose(results["layer_held_out"].values, held_out.values, atol=KERNEL["float32"])


def test_everything_is_there(shared_run: Path) -> None:
    results = open_results(shared_run)
    parts = ["speech layer", "speech all", "speech top", "speech rest", "language layer", "language all",
             "language top", "language rest", "acoustic layer", "speech top 1", "language top 1"]  # fmt: skip
    assert list(results["part"].values) == parts
    assert results["shared_r2"].shape == (11, 6, 3) and np.isfinite(results["shared_r2"].values).all()
    assert results["canonical_correlation"].shape == (1, 3, 2)
    assert (results["canonical_correlation"].values > 0).all()
    assert results["layer_correlation"].shape == results["layer_held_out"].shape == (3, 3, 2)
    assert (results["layer_held_out"].values < results["layer_correlation"].values).all()  # of noise, and few rows
    assert list(results["probe"].values) == [
        "semantic", "acoustic", "context", "word type", "beyond type", "time", "noise"
    ]  # fmt: skip
    for name in ("prediction_similarity", "prediction_similarity_beyond"):
        similarity = results[name].values
        assert similarity.shape == (3, 6) and (similarity >= 0).all() and (similarity <= 1).all()
    table = pd.read_csv(shared_run / "shared.csv")
    assert len(table) == 6 * 11
    row = table.query("subject == 'S2' and electrode == 'loud1' and part == 'speech top'").iloc[0]
    cell = results["shared_r2"].sel(electrode="S2/loud1", part="speech top").mean("fold")
    assert row["r2"] == pytest.approx(float(cell), rel=1e-5)
    for name in ("3b_prediction_similarity", "4a_shared_parts", "4b_shared_probes", "shared_components", "layer_map"):
        assert (shared_run / "figures" / f"{name}.png").stat().st_size > 5000
    summary = (shared_run / "summary.md").read_text()
    for words in (
        "What wav and gpt share",
        "frames with a word",
        "training folds",
        "| speech rest |",
        "| context |",
        "components are shared",
    ):
        assert words in summary


def test_parts_of_the_shared_part_add_up(shared_run: Path) -> None:
    results = open_results(shared_run)
    known = results["common_sse"]
    assert known.dims == ("probe", "fit", "electrode", "stimulus") and np.isfinite(known.values).all()
    total = results["mean_sse"].sum("stimulus")
    r2 = 1 - known.sum("stimulus") / total
    common = r2.sel(fit="shared") + r2.sel(fit="probe") - r2.sel(fit="both")
    np.testing.assert_allclose(common, results["common_r2"], atol=1e-6)
    np.testing.assert_allclose(r2.sel(fit="both") - r2.sel(fit="shared"), results["unique_r2"], atol=1e-6)
    beyond = results["common_beyond_r2"]
    assert np.isnan(beyond.sel(probe="time")).all() and np.isfinite(beyond.drop_sel(probe="time")).all()
    table = pd.read_csv(shared_run / "commonality.csv")
    assert set(table["part"]) == {"common", "probe alone", "shared alone"} and len(table) == 3 * (7 + 6)
    assert (table["low"] <= table["r2"]).all() and (table["r2"] <= table["high"]).all()
    assert (table["note"] == "two subjects: little is known of others").all()
    components = pd.read_csv(shared_run / "components.csv")
    assert len(components) == 8 and (components["q"] >= components["p"] - 1e-9).all()
    contrasts = pd.read_csv(shared_run / "shared_contrasts.csv")
    assert list(contrasts["first"]) == ["speech top", "language top"] and np.isfinite(contrasts["p_crossed"]).all()


@pytest.mark.skipif(importlib.util.find_spec("heschl._cuda_emulated") is None, reason="built without its emulation")
def test_all_of_a_study_on_a_gpu(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for device in ("cpu", "cuda"):
        folder = tmp_path / device
        shutil.copytree(cohort.parent, folder, ignore=shutil.ignore_patterns("results"))
        text = (folder / "study.toml").read_text().replace("[encoding]", f'[encoding]\ndevice = "{device}"')
        lags = '[word_lags]\nspaces = ["static"]\ntmin = -0.1\ntmax = 0.2\nstep = 0.1\nwindow = 0.1\n'
        (folder / "study.toml").write_text('preset = "chen2024"\n' + text + SHARED + lags)
        if device == "cuda":
            monkeypatch.setenv(EMULATE, "1")
        used: list[str] = []
        put = Device.put

        def counted(self: Device, values: Any, used: list[str] = used, put: Any = put) -> Any:
            used.append(self.kind.name)
            return put(self, values)

        monkeypatch.setattr(Device, "put", counted)
        found[device] = open_results(run_study(folder / "study.toml"))
        assert bool(used) == (device == "cuda")
    for name in ("r2", "shared_r2", "layer_correlation", "canonical_correlation", "published_r2", "word_lag_r2"):
        a, b = (found[device][name].values for device in ("cpu", "cuda"))
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=2e-3, err_msg=name)


def test_parts_are_the_layers_they_say(shared_run: Path) -> None:
    """The chosen layers are those with the best mean inner score, and "layer" is the fit of stage 3."""
    results = open_results(shared_run)
    chosen = results["shared_layer"].values[0]
    for side, space in enumerate(("wav", "gpt")):
        own = results.isel(model=np.flatnonzero(results["model_space"].values == space))
        best = own["inner_r2"].mean("electrode").argmax("model").values
        assert chosen[:, side].tolist() == own["layer"].values[best].tolist()
        part = results["shared_r2"].sel(part=f"{('speech', 'language')[side]} layer").values
        for fold, layer in enumerate(best):
            np.testing.assert_allclose(part[:, fold], own["r2"].values[layer, :, fold], atol=1e-5)
    mel = results["shared_r2"].sel(part="acoustic layer").values
    np.testing.assert_allclose(mel, results["r2"].sel(model="mel/0").values, atol=1e-5)


def test_weights_know_the_training_folds_alone(own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[int] = []
    learn = stage.SharedParts.learn.__func__  # type: ignore[attr-defined]

    def watched(cls: Any, cca: CCA, a: Any, b: Any, train: Any, **rest: Any) -> Any:
        fitted.append(int(train.sum()))
        return learn(cls, cca, a, b, train, **rest)

    monkeypatch.setattr(stage.SharedParts, "learn", classmethod(watched))
    study = with_shared(own_cohort, "layer_map = false\ncontext = false\n", SHARED.replace("sweep = [1]\n", ""))
    run_study(study)
    n = int(open_results(study.parent / "results").attrs["frames_per_group"][0])
    assert sum(fitted[:3]) == 2 * n and max(fitted) < n
    fitted.clear()
    study.write_text(study.read_text() + 'scope = "all"\nlevel = "words"\n')
    results = open_results(run_study(study))
    # Components are counted on test folds all the same; the audit, which comes last, learns as the study does.
    assert fitted[:3] == [n] * 3 and max(fitted[3:-1]) < n and fitted[-1] == n
    assert "as optimistic" in (study.parent / "results" / "summary.md").read_text()
    assert "layer_correlation" not in results and list(results["probe"].values) == [
        "semantic",
        "acoustic",
        "time",
        "noise",
    ]


def test_interrupted_it_continues(own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = with_shared(own_cohort)
    write, done = Split.write_part, []

    def stops(self: Split, name: str, path: Path) -> None:
        if name == "language top":
            raise KeyboardInterrupt
        write(self, name, path)

    def counts(self: Split, name: str, path: Path) -> None:
        done.append(name)
        write(self, name, path)

    monkeypatch.setattr(Split, "write_part", stops)
    with pytest.raises(KeyboardInterrupt):
        run_study(study)
    monkeypatch.setattr(Split, "write_part", counts)
    run_study(study)
    assert done[0] == "language top" and "speech top" not in done
    done.clear()
    run_study(study)
    assert done == []


def test_words_by_rows(shared_run: Path) -> None:
    session = Session(shared_run.parent / "study.toml", shared_run)
    (group,) = session.groups
    spoken, words = spoken_rows(session.features["gpt"], group)
    assert len(spoken) == len(group.y) and len(words) == 4 * 8
    inside = np.zeros_like(spoken)
    for start, stop in words:
        inside[start:stop] = True
    np.testing.assert_array_equal(inside, spoken)
    assert set((words[:, 1] - words[:, 0]).tolist()) <= {7, 8}  # 0.15 s at 50 Hz


def test_similarity_of_predictions() -> None:
    rng = np.random.default_rng(0)
    a, fold = rng.standard_normal((90, 3)), np.repeat([0, 1, 2], 30)
    b = a * [2.0, -1.0, 0.0] + fold[:, None] * 5  # another mean in each fold says nothing
    b[:, 2] = 1.0
    found = shared_variance(a, b, fold)
    np.testing.assert_allclose(found[:2], 1.0)
    assert np.isnan(found[2])
    missing = a.copy()
    missing[5] = np.nan
    assert shared_variance(missing, a, fold)[0] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('speech = "wav"', 'speech = "mel"', r"shared.speech.*kind speech or frame_arrays \(wav\), not 'mel'"),
        ('speech = "wav"', 'speech = "gpt"', "another space than speech"),
        ('language = "gpt"', 'language = "static"', "shared.language"),
        ('semantic = "static"', 'semantic = "mel"', "shared.semantic.*language or surprisal or words"),
        ("sweep = [1]", "sweep = [0]", "shared.sweep"),
        ("sweep = [1]", "pca = 1.5", "shared.*pca"),
        ("sweep = [1]", 'layers = ["0"]', "shared.layers"),
        ("sweep = [1]", "n_component = 3", "shared.n_component.*nearest is shared.n_components"),
        ("n_components = 2", "n_components = 9\npca = 5.0", "no more than the 5 principal components"),
    ],
)
def test_impossible_settings(own_cohort: Path, old: str, new: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_study(with_shared(own_cohort, text=SHARED.replace(old, new)))


def test_a_layer_that_is_not_there(own_cohort: Path) -> None:
    study = with_shared(own_cohort, 'layers = ["1", "7"]\n')
    with pytest.raises(InputError, match=r"shared\.layers: found '7'; expected a layer of gpt: 0, 1, 2"):
        run_study(study)
    assert not (study.parent / "results").exists()


def test_the_published_way_is_one_word(own_cohort: Path) -> None:
    shared = read_study(with_shared(own_cohort, 'preset = "chen2024"\nn_components = 3\n', SHARED.replace(
        "n_components = 2\n", ""))).shared  # fmt: skip
    assert shared is not None
    assert (shared.level, shared.scope, shared.principal_components(), shared.standardize) == (
        "words",
        "all",
        0.95,
        True,
    )
    assert shared.n_components == 3
