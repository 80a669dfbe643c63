"""The exchange test of a study: as the library's, shared out in pieces, resumed, and counted in a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heschl import InputError, lagged_design
from heschl.linear import Repeated, exchange_test
from heschl.linear.design.permuter import Permuter
from heschl.study import open_results
from heschl.study.analyses import exchange
from heschl.study.analyses.exchange import Exchange
from heschl.study.analyses.fits import exchange as fits
from heschl.study.analyses.fits.exchange import Draws, best_statistic, exchanged, permuter_of
from heschl.study.analyses.fits.leading import leading_components
from heschl.study.config.encoding import Encoding
from heschl.study.config.study import Study, read_study
from heschl.study.inputs.groups import FitGroup
from heschl.study.report.limits import limits_of
from heschl.study.session import Session
from heschl.study.simulate.worlds import WORLDS
from tolerances import ALL_FRAMES, worst

LENGTHS = np.array([30, 31, 30, 33, 31, 30, 32, 31, 30, 33, 31, 30])


@pytest.fixture
def group() -> FitGroup:
    rng = np.random.default_rng(0)
    names = tuple((f"s{i:02d}", int(n)) for i, n in enumerate(LENGTHS))
    y = rng.standard_normal((LENGTHS.sum(), 3)).astype(np.float32)
    return FitGroup(("S",) * 3, ("a", "b", "c"), names, y, y[:, :0], np.arange(12) % 3)


def test_it_is_the_library_s_test(group: FitGroup) -> None:
    """Of designs that are no larger than the leading components: the same statistic of the true alignment."""
    X = np.random.default_rng(1).standard_normal((LENGTHS.sum(), 4)).astype(np.float32)
    driven = replace(group, y=group.y + X[:, :3])
    settings = Encoding(tmin=0.0, tmax=0.04, alphas=[1.0, 1e2, 1e4], folds=3)
    lags = settings.lags(50.0)
    Z = leading_components(X, LENGTHS, lags, standardize=True)
    found = best_statistic([exchanged(Z, driven, permuter_of(driven), Draws((0, 0), 0, 3), settings)])
    expected = exchange_test(
        {"space": X}, driven.y, segments=LENGTHS, folds=group.folds, lags=lags, alphas=settings.alpha_grid(),
        n_permutations=20,
    )["space"]  # fmt: skip
    assert found.shape == (3, 3) and (found[0] > 0.3).all() and (np.abs(found[1:]) < 0.2).all()
    assert worst(found[0], expected.observed) < ALL_FRAMES


def test_each_permutation_chooses_its_layer() -> None:
    rng = np.random.default_rng(3)
    inner, covariance = rng.standard_normal((2, 2, 5, 3, 4))  # layers, permutations, folds, electrodes
    inner[0, 1] = np.nan
    covariance[:, 0, 2, 1] = np.nan
    found = best_statistic([{"inner": i, "r": c} for i, c in zip(inner, covariance, strict=True)])
    for m in range(5):
        for e in range(4):
            chosen = [covariance[int(np.nanargmax(inner[:, m, k, e])), m, k, e] for k in range(3)]
            np.testing.assert_allclose(found[m, e], np.nanmean(chosen))


def test_permutations_are_the_same_however_they_are_shared_out(group: FitGroup) -> None:
    permuter = permuter_of(group)
    whole = Draws((3, 0), 0, 6).rows(permuter)
    parts = [*Draws((3, 0), 0, 2).rows(permuter), *Draws((3, 0), 2, 6).rows(permuter)]
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(whole[0], np.arange(LENGTHS.sum()))
    assert not np.array_equal(whole[1], whole[2])
    assert not np.array_equal(whole[1], Draws((4, 0), 1, 2).rows(permuter)[0])


def test_repeats_move_together(group: FitGroup) -> None:
    names = tuple((f"s{i // 2}", int(n)) for i, n in enumerate(LENGTHS))
    twice = replace(group, segments=names, folds=np.arange(12) // 2 % 3)
    rows = Draws((0, 0), 1, 4).rows(permuter_of(twice))
    segment = np.repeat(np.arange(12), LENGTHS)
    first = np.cumsum(LENGTHS) - LENGTHS
    for moved in rows:
        source = segment[moved[first]]
        np.testing.assert_array_equal(source[::2] + 1, source[1::2])


def test_baselines_of_sessions_are_no_finding() -> None:
    """Exchanged within sessions, responses that follow nothing else are not said to follow the features."""
    world = WORLDS["sessions"]()
    names = tuple((f"s{i:02d}", int(n)) for i, n in enumerate(world.lengths))
    c, labels = world.y.shape[1], tuple(map(str, world.sessions))
    whole = FitGroup(("S",) * c, tuple(map(str, range(c))), names, world.y, world.y[:, :0], np.arange(45) // 3 % 3,
                     {"S": labels})  # fmt: skip
    ((group, _, blocks),) = whole.by_sessions()
    settings = Encoding(tmin=0.0, tmax=0.04, alphas=[1e1, 1e3], folds=3)
    Z = leading_components(world.spaces["features"], world.lengths, settings.lags(25.0), standardize=True)

    def rejected(permuter: Permuter) -> float:
        found = best_statistic([exchanged(Z, group, permuter, Draws((0, 0), 0, 40), settings)])
        return float(((found >= found[0]).mean(axis=0) <= 0.05).mean())

    assert rejected(permuter_of(group, blocks)) <= 0.2 < 0.6 < rejected(permuter_of(group))


def test_a_study_knows_its_sessions(own_cohort: Path) -> None:
    """A file for each session of S1, none of S2: they are exchanged apart, and electrodes keep their order."""
    own_cohort.write_text(own_cohort.read_text().replace('S1 = "S1.npz"', 'S1 = ["S1a.npz", "S1b.npz"]'))
    with np.load(own_cohort.parent / "S1.npz") as given:
        arrays = dict(given)
    half = len(arrays["lengths"]) // 2
    for name, trials in (("a", slice(half)), ("b", slice(half, None))):
        part = {key: arrays[key][trials] for key in ("lengths", "stimuli", "responses")}
        np.savez(own_cohort.parent / f"S1{name}.npz", **arrays | part)
    session = Session(own_cohort)
    one = session.inputs.subjects[0]
    assert one.sessions[0] == "S1a.npz" and one.sessions[-1] == "S1b.npz"
    parts = exchange._parts(session)
    assert [set(part.group.subjects) for part in parts] == [{"S1"}, {"S2"}]
    names = [s for group in session.groups for s in group.subjects]
    for part in parts:
        assert tuple(names[i] for i in part.columns) == part.group.subjects
    for at, (stimulus, _) in enumerate(parts[0].group.segments):
        heard = {s for name, s in zip(one.stimuli, one.sessions, strict=True) if name == stimulus}
        assert set(parts[0].group.sessions["S1"][at].split(" + ")) == heard
    assert len(set(parts[0].blocks.tolist())) > 1


def test_leading_components() -> None:
    """Few enough: the design itself. More: its own principal components, whatever the blocks."""
    rng = np.random.default_rng(2)
    lags = range(-1, 3)
    X = (rng.standard_normal((LENGTHS.sum(), 3)) * [1.0, 5.0, 0.1] + 3).astype(np.float32)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    design = lagged_design(Z, lags, segments=LENGTHS)
    np.testing.assert_allclose(leading_components(X, LENGTHS, lags, standardize=True), design, atol=1e-4)
    found = leading_components(X, LENGTHS, lags, standardize=True, most=4).astype(np.float64)
    u, s, _ = np.linalg.svd(design - design.mean(axis=0), full_matrices=False)
    centred = found - found.mean(axis=0)
    np.testing.assert_allclose(np.sqrt((centred**2).sum(axis=0)), s[:4], rtol=1e-4)
    np.testing.assert_allclose(np.abs(np.sum(centred * u[:, :4], axis=0)), s[:4], rtol=1e-3)
    words = Repeated(rng.standard_normal((len(LENGTHS), 2)).astype(np.float32), LENGTHS)
    assert leading_components(words, LENGTHS, lags, standardize=False, most=3).shape == (LENGTHS.sum(), 3)


def test_a_study_has_it(whole_run: Path) -> None:
    results = open_results(whole_run)
    assert results["p"].dims == ("space", "electrode") and results["layer_p_max"].dims == ("model", "electrode")
    p, p_max = results["p"].values, results["p_max"].values
    assert (p >= 1 / 21 - 1e-12).all() and (p_max >= p - 1e-12).all()
    assert (results["p_low"] <= results["p"]).all() and (results["p"] <= results["p_high"]).all()
    assert (results["layer_p_max"].values >= results["layer_p"].values - 1e-12).all()
    single = results.sel(space="mel", model="mel/0")
    np.testing.assert_allclose(single["p"].values, single["layer_p"].values)
    assert "exchange test" in (whole_run / "summary.md").read_text()
    report = (whole_run / "report.html").read_text()
    assert "20 permutations" in report and "maximum over 6 electrodes and 4 spaces" in report
    assert "What this study can and cannot say" in report and "no p lies below 0.048" in report


def test_what_it_cannot_say(whole_run: Path) -> None:
    results = open_results(whole_run).load()
    study = Study.model_validate_json(results.attrs["config"])
    said = dict(limits_of(results))
    assert said["stimuli"].startswith("8 different stimuli, 3 folds") and "Fewer than 30" in said["stimuli"]
    assert said["subjects"].startswith("2 subjects") and "no positions" in said["positions"]
    assert said["sessions"].startswith("Sessions are not known")
    several = results.assign_attrs(sessions='{"S1": 3, "S2": 1}')
    assert dict(limits_of(several))["sessions"].startswith(
        "Several recording sessions (S1 3). Responses were exchanged"
    )
    assert "S2 are not known" in dict(limits_of(results.assign_attrs(sessions='{"S1": 3, "S2": 0}')))["sessions"]
    assert dict(limits_of(results.assign_attrs(sessions='{"S1": 1, "S2": 1}')))["sessions"].startswith("One recording")
    within = "heard equally often within the same recording sessions"
    assert within in Exchange().methods(several, study)
    assert within not in Exchange().methods(results, study)
    one = results.isel(electrode=np.flatnonzero(results["subject"].values == "S1"))
    assert "Nothing is said of other people" in dict(limits_of(one))["subjects"]
    untested = results.drop_vars(["p_max", "beyond_r2", "time_course_common", "time_course_r2"])
    said = dict(limits_of(untested))
    assert said["electrodes that follow"].startswith("Not tested") and "common time course" not in said


def test_interrupted_it_continues_and_more_permutations_add_to_it(
    own_cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = own_cohort.read_text()
    one_space = text[: text.index("[features.wav]")] + text[text.index("[encoding]") :]
    own_cohort.write_text(one_space.replace('model = "wav"', "rate = 50.0"))
    monkeypatch.setattr(exchange, "TOGETHER", 6)
    made: list[int] = []
    write = fits.exchanged

    def watched(X: Any, group: Any, permuter: Any, draws: Draws, *rest: Any) -> Any:
        if made == [0, 6]:
            raise KeyboardInterrupt
        made.append(draws.first)
        return write(X, group, permuter, draws, *rest)

    monkeypatch.setattr(fits, "exchanged", watched)
    with pytest.raises(KeyboardInterrupt):
        exchange.Exchange().run(Session(own_cohort).extracted())
    made.clear()
    exchange.Exchange().run(Session(own_cohort))
    assert made == [12, 18]
    made.clear()
    own_cohort.write_text(own_cohort.read_text().replace("n_permutations = 20", "n_permutations = 25"))
    exchange.Exchange().run(Session(own_cohort))
    assert made == [18, 24]  # the last piece grows


def test_too_few_permutations_are_refused(own_cohort: Path) -> None:
    text = own_cohort.read_text()
    own_cohort.write_text(text.replace("n_permutations = 20", "n_permutations = 5"))
    with pytest.raises(InputError, match=r"encoding.*20 or more, or 0, not 5"):
        read_study(own_cohort)
    own_cohort.write_text(text.replace("n_permutations = 20", "n_permutations = 0"))
    assert read_study(own_cohort).encoding.n_permutations == 0
