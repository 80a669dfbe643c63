"""Electrodes on the brain: seen from the side, on fsaverage5 where positions are in its space, else in a plane."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

Double = NDArray[np.float64]
REACH = 0.02
"""m from the cortex beyond which positions are not in its space."""
HEMISPHERES = ("left", "right")


def draw_electrodes(
    axes: list[Axes],
    positions: Double,
    values: Double,
    *,
    limits: tuple[float, float] | None = None,
    cmap: str = "viridis",
) -> PathCollection | None:
    """Draw values at electrodes, the left hemisphere on the first axis and the right one on the second, from the side.

    Parameters
    ----------
    axes : list of two Axes
    positions : (n, 3) array
        x to the right, y to the front, z up, in m, MNI; electrodes with NaN are left out.
    values : (n,) array
        NaN in grey.
    limits : (float, float), optional
        Of the colours; those of the values by default.
    cmap : str
        A colour map of matplotlib's.

    Returns
    -------
    PathCollection or None
        For a colour bar; None where no electrode has a position.
    """
    known = np.isfinite(positions).all(axis=1)
    if not known.any():
        return None
    on_cortex = _near_cortex(positions[known])
    finite = values[known & np.isfinite(values)]
    low, high = limits or ((float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0))
    drawn = None
    for axis, side in zip(axes, HEMISPHERES, strict=True):
        inside = known & ((positions[:, 0] < 0) if side == "left" else (positions[:, 0] >= 0))
        # The front of the left hemisphere is at the left of what one sees.
        mirror = -1.0 if side == "left" else 1.0
        if on_cortex:
            _draw_cortex(axis, side, mirror)
        seen = positions[inside] * 1e3
        nothing = ~np.isfinite(values[inside])
        axis.scatter(mirror * seen[nothing, 1], seen[nothing, 2], s=10, color="#BBBBBB", linewidths=0, zorder=3)
        found = axis.scatter(
            mirror * seen[~nothing, 1], seen[~nothing, 2], c=values[inside][~nothing], s=18, vmin=low, vmax=high,
            cmap=cmap, edgecolors="#333333", linewidths=0.3, zorder=4,
        )  # fmt: skip
        drawn = found if drawn is None or inside.any() else drawn
        axis.set_aspect("equal")
        axis.set_axis_off()
        axis.set_title(f"{side}, {int(inside.sum())} electrodes", fontsize=8)
    return drawn


@cache
def _cortex(side: str) -> tuple[Double, NDArray[np.int64], Double]:
    """Load the vertices in mm, triangles, and depth of folds (0 to 1) of fsaverage5, which nilearn brings along."""
    from nilearn.datasets import load_fsaverage, load_fsaverage_data

    mesh: Any = load_fsaverage("fsaverage5")["pial"].parts[side]
    sulci = np.ravel(load_fsaverage_data("fsaverage5", data_type="sulcal").data.parts[side]).astype(np.float64)
    sulci = np.clip((sulci - np.percentile(sulci, 5)) / np.ptp(np.percentile(sulci, [5, 95])), 0, 1)
    return np.asarray(mesh.coordinates, np.float64), np.asarray(mesh.faces, np.int64), sulci


def _near_cortex(positions: Double) -> bool:
    """Return whether nearly all positions lie within reach of the cortex."""
    from scipy.spatial import cKDTree

    tree = cKDTree(np.concatenate([_cortex(side)[0] for side in HEMISPHERES]) / 1e3)
    return bool((tree.query(positions)[0] < REACH).mean() > 0.9)


def _draw_cortex(axis: Axes, side: str, mirror: float) -> None:
    image, extent = _picture(side, mirror)
    axis.imshow(image, extent=extent, origin="upper", zorder=1, interpolation="bilinear")
    axis.set_xlim(extent[0], extent[1])
    axis.set_ylim(extent[2], extent[3])


@cache
def _picture(side: str, mirror: float) -> tuple[NDArray[np.uint8], tuple[float, float, float, float]]:
    """Draw a hemisphere from the side, once: an image, and where its edges lie (mm)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure

    vertices, faces, sulci = _cortex(side)
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = across[:, 0] < 0 if side == "left" else across[:, 0] > 0
    order = np.argsort(np.abs(corners[outward, :, 0]).mean(axis=1))
    shown = corners[outward][order]
    light = np.abs(across[outward, 0]) / np.linalg.norm(across[outward], axis=1)
    grey = 0.95 - 0.25 * sulci[faces[outward]].mean(axis=1)[order] - 0.2 * (1 - light[order])
    outlines = np.stack([mirror * shown[:, :, 1], shown[:, :, 2]], axis=2)
    colours = np.repeat(np.clip(grey, 0, 1)[:, None], 3, axis=1)
    extent = (
        float(outlines[:, :, 0].min() - 3), float(outlines[:, :, 0].max() + 3),
        float(outlines[:, :, 1].min() - 3), float(outlines[:, :, 1].max() + 3),
    )  # fmt: skip
    figure = Figure(figsize=((extent[1] - extent[0]) / 30, (extent[3] - extent[2]) / 30), dpi=150, facecolor="none")
    canvas: Any = FigureCanvasAgg(figure)
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=extent[:2], ylim=extent[2:])
    axis.set_axis_off()
    axis.add_collection(PolyCollection(list(outlines), facecolors=colours, edgecolors=colours, linewidths=0.2))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy(), extent
