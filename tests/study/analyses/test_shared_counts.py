"""[shared] on few words: counted before any work, with the key that cures; nothing is made of rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heschl import CCA, InputError
from heschl.linear import residual
from heschl.study.analyses.analysis import explained
from heschl.study.config.analyses import Shared


def shared(**settings: object) -> Shared:
    return Shared.model_validate({"speech": "a", "language": "b", **settings})


WIDTHS = {"speech": 384, "language": 576}


@pytest.mark.parametrize(
    ("settings", "widths", "n_rows", "said"),
    [
        ({"n_components": 400}, WIDTHS, 0, r"shared\.n_components.*at most 384, the width of shared\.speech"),
        ({"n_components": 5, "sweep": [9, 700]}, WIDTHS, 0, r"shared\.sweep"),
        ({"level": "words"}, WIDTHS, 360, r"shared\.pca.*960 columns.*360 words.*pca = 50.*reg.*level"),
        ({"level": "frames"}, WIDTHS, 700, r"shared\.pca.*700 frames"),
        ({"pca": 300}, WIDTHS, 500, r"600 columns of both models against 500"),
        ({"n_components": 50}, WIDTHS, 40, "fewer components than rows"),
    ],
)
def test_what_cannot_be_is_said_with_its_cure(
    settings: dict[str, object], widths: dict[str, int], n_rows: int, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        shared(**settings).check_counts(widths, n_rows)


@pytest.mark.parametrize(
    ("settings", "n_rows"),
    [({"level": "words", "pca": 0.95}, 360), ({"level": "words", "pca": 100}, 360), ({"reg": 0.01}, 360), ({}, 5000)],
)
def test_what_can_be_passes(settings: dict[str, object], n_rows: int) -> None:
    shared(**settings).check_counts(WIDTHS, n_rows)
    shared(**settings).check_counts({"speech": 384}, 0)


@pytest.mark.parametrize("unit", [1e-13, 1.0, 1e9])  # MEG is in T
def test_rounding_of_a_residual_is_nothing(unit: float) -> None:
    """Of a layer that is its input, 1e-14 was left, which a CCA whitened back to the layer."""
    rng = np.random.default_rng(0)
    words, train = unit * rng.standard_normal((300, 5)), np.arange(300) < 200
    turned = words @ rng.standard_normal((5, 4))
    rounding = 1e-14 * unit * rng.standard_normal((300, 4))
    with pytest.raises(InputError, match=r"nothing is left.*context_reg"):
        residual(turned + rounding, words, train)
    half = np.hstack([turned[:, :2] + rounding[:, :2], unit * rng.standard_normal((300, 2))])
    for precision in (np.float64, np.float32):
        layer = half.astype(precision)
        left = residual(layer, words.astype(precision), train)
        assert (left[:, :2] == 0).all() and (left[:, 2:].std(axis=0) > 0.5 * unit).all()
        model = CCA(2).fit(left[train], layer[train])
        assert (model.x_rank_, model.y_rank_) == (2, 4) and (model.x_weights_[:2] == 0).all()


def test_an_error_of_a_solve_says_what_cures_it() -> None:
    error = explained(np.linalg.LinAlgError("singular"))
    assert isinstance(error, InputError) and "LinAlgError: singular" in str(error) and "encoding.alphas" in str(error)
    own = InputError("X", "1", "2", "Do.")
    assert explained(own) is own


def test_the_input_layer_has_no_context(own_cohort: Path) -> None:
    from heschl.study.analyses.shared import SharedAnalysis
    from heschl.study.session import Session

    text = own_cohort.read_text() + '\n[shared]\nspeech = "wav"\nlanguage = "gpt"\nn_components = 2\n'
    for extra, match in (('layers = ["1", "0"]\n', "its input"), ('layers = ["1", "9"]\n', "a layer of gpt")):
        own_cohort.write_text(text + extra)
        with pytest.raises(InputError, match=match):
            SharedAnalysis().check(Session(own_cohort))
    own_cohort.write_text(text + 'layers = ["1", "0"]\ncontext = false\n')
    SharedAnalysis().check(Session(own_cohort))
