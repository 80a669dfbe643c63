"""Which stimuli, electrodes and layers are analysed."""

from __future__ import annotations

import numpy as np
import pytest

from heschl import InputError
from heschl.ecog import Responses
from heschl.study.config.study import Electrodes, Stimuli
from heschl.study.inputs.choose import chosen_stimuli, with_electrodes, with_stimuli
from heschl.study.kinds.base import chosen_layers

NAMES = ["dr1/sa1", "dr1/sx2", "dr2/sa1", "dr2/sx9"]
LAYERS = [str(i) for i in range(13)]


def responses() -> Responses:
    rng = np.random.default_rng(0)
    trials = [rng.standard_normal((150, 3)) for _ in NAMES * 10]
    for trial in trials:
        trial[60:, 0] += 1.0
    regions = np.array(["left STG", "right STG", "left HG"], dtype=object)
    names = ("STG1", "STG2", "HG1")
    return Responses("S1", names, 100.0, -0.4, tuple(NAMES * 10), tuple(trials), {"region": regions})


@pytest.mark.parametrize(
    ("only", "exclude", "left"),
    [([], ["*/sa1"], NAMES[1::2]), (["dr1/*"], [], NAMES[:2]), (["dr1/*", "*/sx9"], ["*/sx2"], [NAMES[0], NAMES[3]])],
)
def test_patterns_choose_stimuli(only: list[str], exclude: list[str], left: list[str]) -> None:
    assert chosen_stimuli(NAMES, Stimuli(sounds="*.wav", only=only, exclude=exclude)) == left


@pytest.mark.parametrize(("only", "exclude"), [(["dr3/*"], []), ([], ["sx"]), (["dr1/*"], ["dr1/*"])])
def test_patterns_without_a_stimulus_are_refused(only: list[str], exclude: list[str]) -> None:
    with pytest.raises(InputError, match=r"stimuli\.(only|exclude)"):
        chosen_stimuli(NAMES, Stimuli(sounds="*.wav", only=only, exclude=exclude))


def test_trials_of_other_stimuli_go() -> None:
    kept = with_stimuli(responses(), {"dr1/sa1"})
    assert len(kept.trials) == len(kept.stimuli) == 30 and "dr1/sa1" not in kept.stimuli


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (Electrodes(names=["STG*"]), ("STG1", "STG2")),
        (Electrodes(regions=["left *"]), ("STG1", "HG1")),
        (Electrodes(exclude=["*1"]), ("STG2",)),
        (Electrodes(names=["STG*"], regions=["left *"]), ("STG1",)),
        (Electrodes(speech_responsive=True), ("STG1",)),
        (None, ("STG1", "STG2", "HG1")),
    ],
)
def test_electrodes_by_name_region_and_response(wanted: Electrodes | None, left: tuple[str, ...]) -> None:
    kept = with_electrodes(responses(), wanted)
    assert kept.electrodes == left and kept.trials[0].shape == (150, len(left))
    assert len(kept.anatomy["region"]) == len(left)


def test_no_electrode_left_is_refused() -> None:
    with pytest.raises(InputError, match="none of 3 electrodes"):
        with_electrodes(responses(), Electrodes(regions=["*MTG*"]))


@pytest.mark.parametrize(
    ("choice", "left"),
    [("all", range(13)), ("last", [12]), ("every 4", [0, 4, 8, 12]), ("every 5", [0, 5, 10, 12]),
     ("3 to 5", [3, 4, 5]), ([12, "0"], [0, 12])],
)  # fmt: skip
def test_layers_are_chosen(choice: str | list[int | str], left: list[int]) -> None:
    assert chosen_layers(choice, LAYERS, "features.x.layers") == tuple(left)


@pytest.mark.parametrize("choice", [[13], "12 to 14", ["x"]])
def test_layers_that_are_not_there_are_refused(choice: str | list[int | str]) -> None:
    with pytest.raises(InputError, match="0 to 12"):
        chosen_layers(choice, LAYERS, "features.x.layers")
