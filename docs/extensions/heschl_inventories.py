"""Inventories of other projects' names, made from a short list: intersphinx without a network."""

from __future__ import annotations

import zlib
from pathlib import Path

# Project: its address, and the names that docstrings and pages use with where each is documented.
PROJECTS: dict[str, tuple[str, dict[str, str]]] = {
    "python": (
        "https://docs.python.org/3/",
        {
            "py:exception ValueError": "library/exceptions.html#ValueError",
            "py:exception TypeError": "library/exceptions.html#TypeError",
            "py:class dict": "library/stdtypes.html#dict",
            "py:class pathlib.Path": "library/pathlib.html#pathlib.Path",
        },
    ),
    "numpy": (
        "https://numpy.org/doc/stable/",
        {"py:class numpy.ndarray": "reference/generated/numpy.ndarray.html"},
    ),
    "sklearn": (
        "https://scikit-learn.org/stable/",
        {
            "py:class sklearn.linear_model.Ridge": "modules/generated/sklearn.linear_model.Ridge.html",
            "py:class sklearn.model_selection.GridSearchCV":
                "modules/generated/sklearn.model_selection.GridSearchCV.html",
            "py:class sklearn.model_selection.GroupKFold": "modules/generated/sklearn.model_selection.GroupKFold.html",
            "py:function sklearn.model_selection.cross_val_predict":
                "modules/generated/sklearn.model_selection.cross_val_predict.html",
            "py:function sklearn.model_selection.cross_validate":
                "modules/generated/sklearn.model_selection.cross_validate.html",
        },
    ),
    "xarray": (
        "https://docs.xarray.dev/en/stable/",
        {
            "py:class xarray.Dataset": "generated/xarray.Dataset.html",
            "py:class xarray.DataArray": "generated/xarray.DataArray.html",
        },
    ),
    "pandas": (
        "https://pandas.pydata.org/docs/",
        {"py:class pandas.DataFrame": "reference/api/pandas.DataFrame.html"},
    ),
    "mne": (
        "https://mne.tools/stable/",
        {
            "py:class mne.EvokedArray": "generated/mne.EvokedArray.html",
            "py:class mne.io.Raw": "generated/mne.io.Raw.html",
            "py:class mne.Epochs": "generated/mne.Epochs.html",
            "py:class mne.decoding.ReceptiveField": "generated/mne.decoding.ReceptiveField.html",
        },
    ),
    "matplotlib": (
        "https://matplotlib.org/stable/",
        {"py:class matplotlib.axes.Axes": "api/_as_gen/matplotlib.axes.Axes.html"},
    ),
}  # fmt: skip


def write_inventories(folder: Path) -> dict[str, tuple[str, str]]:
    """Write an objects.inv for each project; return what intersphinx is told."""
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for project, (address, names) in PROJECTS.items():
        head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
        head += "# The remainder of this file is compressed using zlib.\n"
        lines = []
        for key, uri in names.items():
            role, _, name = key.partition(" ")
            lines.append(f"{name} {role} 1 {uri} -\n")
        path = folder / f"{project}.inv"
        path.write_bytes(head.encode() + zlib.compress("".join(lines).encode()))
        mapping[project] = (address, str(path))
    return mapping
