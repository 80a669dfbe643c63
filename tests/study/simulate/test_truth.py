"""The demo's judge says yes to planted truth found, and no where it is broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from heschl.study.simulate.truth import Agreement, Findings, judge

OWN = {"envelope": "mel", "word": "glove", "context": "gpt2", "accent": "gpt2", "timbre": "mel"}
# What each part should find: accent in the shared top of both models, timbre and context in their own model's rest.
PARTS = {
    "accent": {
        "speech top": 0.3,
        "speech all": 0.31,
        "language top": 0.3,
        "language all": 0.31,
        "common acoustic": 0.3,
    },
    "context": {"language rest": 0.2, "language all": 0.2},
    "timbre": {"speech rest": 0.2, "speech all": 0.2},
}


@pytest.fixture
def found() -> Findings:
    rng = np.random.default_rng(0)
    rows = []
    for kind in (*OWN, "unmodelled", "silent"):
        for e in range(12):
            for space in ("mel", "wav2vec2", "gpt2", "glove"):
                own = OWN.get(kind) == space
                r2 = (0.4 if own else 0.0) + rng.normal(0, 0.003)
                rows.append(
                    {
                        "subject": "S1", "electrode": f"{kind}-{e}", "kind": kind, "space": space, "ceiling": 0.5,
                        "r2": r2, "r2_layer0": 0.5 * r2, "r2_shuffled": rng.normal(0, 0.003),
                        "p": 1e-9 if own else rng.uniform(0.1, 1.0),
                        "p_max": 1e-9 if own else 1.0,
                    }
                )  # fmt: skip
    planted = np.linspace(0.06, 0.2, 12)
    latencies = pd.DataFrame({"planted": planted, "found": np.round(planted / 0.02) * 0.02})
    names = [f"{side} {part}" for side in ("speech", "language") for part in ("all", "top", "rest")]
    names += [f"common {name}" for name in ("semantic", "acoustic", "context")]
    parts = {(kind, name): PARTS.get(kind, {}).get(name, 0.001) for kind in OWN for name in names}
    return Findings(pd.DataFrame(rows), parts, 0.4, latencies, 0.02, Agreement("S1/envelope-0", 1e-12, True, 0.1, 1.0))


def failures(findings: Findings) -> list[str]:
    return [check.what for check in judge(findings) if not check.passed]


def test_truth_found(found: Findings) -> None:
    assert failures(found) == []


def test_scores_of_other_electrodes(found: Findings) -> None:
    scores = found.scores.copy()
    scores["r2"] = np.random.default_rng(0).permutation(scores["r2"].to_numpy())
    assert failures(replace(found, scores=scores))


@pytest.mark.parametrize("kind", OWN)
def test_a_kind_that_is_not_found(found: Findings, kind: str) -> None:
    scores = found.scores.copy()
    scores.loc[scores["kind"] == kind, "r2"] *= 0.3
    assert f"{kind} electrodes: R² over ceiling" in failures(replace(found, scores=scores))


@pytest.mark.parametrize("kind", OWN)
def test_a_kind_found_in_the_wrong_space(found: Findings, kind: str) -> None:
    scores = found.scores.copy()
    wrong = "glove" if kind != "word" else "gpt2"
    scores.loc[(scores["kind"] == kind) & (scores["space"] == wrong), "r2"] = 0.45
    assert f"{kind} electrodes: best space" in failures(replace(found, scores=scores))


@pytest.mark.parametrize("kind", ["unmodelled", "silent"])
def test_something_found_where_there_is_nothing(found: Findings, kind: str) -> None:
    scores = found.scores.copy()
    scores.loc[(scores["kind"] == kind) & (scores["space"] == "gpt2"), "r2"] = 0.05
    assert failures(replace(found, scores=scores)) == [f"{kind} electrodes: |R²|, any space"]


def test_context_that_a_single_word_gives_away(found: Findings) -> None:
    """A network's input embedding knows the word and its place: what it predicts is no context."""
    scores = found.scores.assign(r2_layer0=found.scores["r2"])
    assert failures(replace(found, scores=scores)) == ["context electrodes: gpt2's layer 0 over its best"]


def test_scores_that_survive_shuffling(found: Findings) -> None:
    scores = found.scores.assign(r2_shuffled=found.scores["r2"])
    assert any("shuffled" in what for what in failures(replace(found, scores=scores)))


@pytest.mark.parametrize(
    ("cell", "value", "what"),
    [
        (("accent", "speech top"), 0.1, "accent electrodes: speech, top over all"),
        (("accent", "language rest"), 0.3, "accent electrodes: language, rest over all"),
        (("context", "language top"), 0.19, "context electrodes: language, top over all"),
        (("timbre", "speech top"), 0.19, "timbre electrodes: speech, top over all"),
        (("accent", "common semantic"), 0.4, "accent electrodes: the shared part has most in common with"),
    ],
)
def test_a_latent_in_the_wrong_part(found: Findings, cell: tuple[str, str], value: float, what: str) -> None:
    assert failures(replace(found, parts=found.parts | {cell: value})) == [what]


def test_models_that_share_nothing_on_new_stimuli(found: Findings) -> None:
    assert failures(replace(found, held_out=0.1)) == ["first canonical correlation on test folds"]


def test_too_many_false_positives(found: Findings) -> None:
    scores = found.scores.copy()
    silent = scores.index[scores["kind"] == "silent"]
    scores.loc[silent[:12], "p"] = 0.01
    assert failures(replace(found, scores=scores)) == ["silent electrodes: p < 0.05"]


def test_wrong_latencies(found: Findings) -> None:
    late = found.latencies.assign(found=found.latencies["found"] + 0.05)
    assert any("latency" in what for what in failures(replace(found, latencies=late)))
    mixed = found.latencies.assign(found=found.latencies["found"].to_numpy()[::-1])
    assert any("found latency" in what for what in failures(replace(found, latencies=mixed)))


@pytest.mark.parametrize("agreement", [{"coefficients": 1e-3}, {"same_alpha": False}])
def test_disagreement_with_scikit_learn(found: Findings, agreement: dict[str, object]) -> None:
    other = replace(found.agreement, **agreement)  # type: ignore[arg-type]
    assert any("scikit-learn" in what for what in failures(replace(found, agreement=other)))
