"""Electrodes on the brain: which side, which colour, and what happens without positions."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from heschl.plot.brain import _cortex, _near_cortex, draw_electrodes

pytest.importorskip("nilearn")


def test_sides_and_colours() -> None:
    positions = np.array([[-0.066, -0.02, 0.0], [-0.06, 0.01, 0.01], [0.066, -0.02, 0.0], [np.nan] * 3])
    figure = Figure()
    axes = list(figure.subplots(1, 2))
    drawn = draw_electrodes(axes, positions, np.array([0.1, np.nan, 0.3, 9.0]))
    assert drawn is not None and drawn.get_clim() == (0.1, 0.3)
    assert [axis.get_title() for axis in axes] == ["left, 2 electrodes", "right, 1 electrodes"]
    assert len(axes[0].images) == 1 and len(axes[0].collections) == 2  # cortex; grey, coloured
    assert axes[0].collections[1].get_offsets().tolist() == [[20.0, 0.0]]  # the front is at the left of the left side
    assert axes[1].collections[1].get_offsets().tolist() == [[-20.0, 0.0]]


def test_positions_that_are_not_of_this_brain() -> None:
    vertices = _cortex("left")[0][::500] / 1e3
    assert _near_cortex(vertices) and not _near_cortex(vertices * 10)
    axes = list(Figure().subplots(1, 2))
    assert draw_electrodes(axes, vertices * 10, np.arange(len(vertices), dtype=float)) is not None
    assert not axes[0].images  # a plane
    assert draw_electrodes(axes, np.full((3, 3), np.nan), np.ones(3)) is None
