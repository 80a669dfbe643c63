"""Results: one labelled dataset that figures, tables and later analyses read, and nothing else.

Schema, version 2 (``attrs["schema"]``). Dimensions: ``model`` (a layer of a space), ``space``, ``electrode``,
``fold``, ``stimulus``, ``example_frame``, ``group``.

================================  ======================================================================
variable                          what
================================  ======================================================================
r2, r, alpha, inner_r2, edge      (model, electrode, fold): scores on test folds, λ chosen on inner ones
pooled_r2                         (model, electrode)
best_layer, best_r2, best_r       (space, electrode, fold): layer chosen on inner folds, and its scores
best_alpha                        (space, electrode, fold): the λ of that layer
best_pooled_r2                    (space, electrode)
p_gain, q_gain                    (space, electrode): t test over stimuli of the gain in squared error over the
                                  training mean, no test of whether an electrode follows; q over a space's electrodes
sse                               (space, electrode, stimulus): squared error; NaN where not heard
mean_sse                          (electrode, stimulus): the same of the training folds' mean
n_frames                          (electrode, stimulus): frames with a response, all repeats
example_response                  (electrode, example_frame): the response to the example stimulus
example_prediction                (space, electrode, example_frame): out of fold, best layer
example_time                      (example_frame): s from the sound's onset
in_group                          (group, electrode): the named groups of the study.toml
max_r2, max_mean_squared_r        (space, electrode): the published maximum over layers, of R² and of mean r²
published_r2, published_max       (model, electrode), (space, electrode): as published, with a preset
p_gain_max                        (space, electrode): of that gain, stimuli flipped in sign, maximum over electrodes
p, p_max, q, layer_p, …           which electrodes follow: see `heschl.study.analyses.exchange`
beyond_r2, time_course_r2, …      over the common time course: see `heschl.study.analyses.time_course`
ceiling_r2, _low, _high           (electrode): noise ceiling and its 95 % interval, where stimuli were repeated
ceiling_reliable, _determined     (electrode): whether it is above 0; whether it is known to a tenth
ceiling_divisor, _of_folds        (electrode): what R² about the training mean is divided by, and best_r2
best_r2_training                  (space, electrode): 1 − Σ sse / Σ mean_sse, R² about the training mean
normalised_r2, _r2_training       (space, electrode): best_r2, best_r2_training over a perfect model's
word_lag_r2, word_lag_r           (word_space, electrode, word_lag), if asked for
layer_correlation, layer_held_out (layer_a, layer_b, kept), if asked for: speech by language layers, all stimuli; and
                                  of variates found without the first outer fold, on it
shared_..., canonical_...         if asked for: see `heschl.study.analyses.shared`
..._shuffled                      the same with another stimulus' response, if asked for
================================  ======================================================================

Coordinates: ``model`` ("space/layer") with ``model_space`` and ``layer``; ``electrode`` ("subject/name") with
``subject``, ``name``, ``region``, ``x``, ``y``, ``z`` (m) and ``example_stimulus``.
"""

from __future__ import annotations

import fnmatch
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heschl.checks import InputError
from heschl.ecog import Responses
from heschl.files import replacing
from heschl.seals import group_attributes, is_whole_group, seal_group, without_seal
from heschl.study.analyses.analysis import Analysis
from heschl.study.inputs.groups import FitGroup
from heschl.study.inputs.load import Inputs
from heschl.study.session import Session
from heschl.study.work.layout import Layout
from heschl.timing.stimulus import Stimulus
from heschl.timing.words import plain_word

if TYPE_CHECKING:
    import xarray as xr

ANATOMY = ("region", "x", "y", "z")
SCHEMA = 2
"""Version of the dataset's form; raised whenever a reader of the old form would misread the new one."""


def build_results(session: Session, analyses: Sequence[Analysis]) -> tuple[xr.Dataset, dict[str, Exception]]:
    """Put all that a study found into one dataset; see the head of this module for its form.

    Parameters
    ----------
    session : Session
        The study, all pieces of the analyses made.
    analyses : sequence of Analysis
        What to put in.

    Returns
    -------
    Dataset
    dict of str to Exception
        Optional analyses whose pieces could not be put in, and why.
    """
    dataset, failed = empty_results(session), {}
    for analysis in analyses:
        try:
            dataset = analysis.add(dataset, session)
        except Exception as error:
            if not analysis.optional:
                raise
            failed[analysis.name] = error
    return dataset, failed


def empty_results(session: Session) -> xr.Dataset:
    """Return the dataset before any analysis: its labels, where electrodes are, and what the study was."""
    import xarray as xr

    inputs, groups, features = session.inputs, session.groups, session.features
    longest = max(rows.stop - rows.start for _, rows in (group.example() for group in groups))
    electrodes = [(s, e) for group in groups for s, e in zip(group.subjects, group.electrodes, strict=True)]
    name = [electrode for _, electrode in electrodes]
    named = session.study.responses.groups
    layers = [(space, layer) for space, found in features.items() for layer in found.layers]
    inside = [[fnmatch.fnmatchcase(n, pattern) for n in name] for pattern in named.values()]
    notes = {space: found.description.note for space, found in features.items()}
    return xr.Dataset(
        {"in_group": (("group", "electrode"), np.array(inside, dtype=bool).reshape(len(named), len(name)))},
        coords={
            "model": [f"{space}/{layer}" for space, layer in layers],
            "model_space": ("model", [space for space, _ in layers]),
            "layer": ("model", [layer for _, layer in layers]),
            "space": list(features),
            "electrode": [f"{s}/{n}" for s, n in electrodes],
            "subject": ("electrode", [s for s, _ in electrodes]),
            "name": ("electrode", name),
            "example_stimulus": ("electrode", [g.example()[0] for g in groups for _ in g.electrodes]),
            "fold": np.arange(session.study.encoding.folds),
            "stimulus": list(inputs.stimuli),
            "example_time": ("example_frame", session.grid.times(longest), {"units": "s"}),
            "group": list(named),
            **_anatomy(electrodes, {subject.subject: subject for subject in inputs.subjects}),
        },
        attrs=_attributes(session) | {"notes": json.dumps(notes)},
    )


def _anatomy(electrodes: list[tuple[str, str]], subjects: Mapping[str, Responses]) -> dict[str, Any]:
    """Return the coordinates that say where each electrode is."""
    coords: dict[str, Any] = {}
    for key in ANATOMY:
        unknown: Any = "" if key == "region" else np.nan
        cells = []
        for name, electrode in electrodes:
            about = subjects[name]
            values = about.anatomy.get(key)
            cells.append(unknown if values is None else values[about.electrodes.index(electrode)])
        coords[key] = ("electrode", np.array(cells, dtype=object if key == "region" else np.float64))
    return coords


def _attributes(session: Session) -> dict[str, Any]:
    inputs, grid, groups = session.inputs, session.grid, session.groups
    used = ("heschl", "numpy", "scipy", "scikit-learn", "torch", "transformers", "xarray", "zarr")
    return {
        "schema": SCHEMA,
        "versions": json.dumps({name: _version(name) for name in used}),
        "config": inputs.study.model_dump_json(),
        "name": inputs.study.name,
        "note": inputs.study.note,
        "example_words": _example_words(inputs, groups),
        "rate": grid.rate,
        "lags": list(inputs.study.encoding.lags(grid.rate)),
        "alphas": inputs.study.encoding.alpha_grid().tolist(),
        "unheard_stimuli": inputs.unheard,
        "same_text": sum(n > 1 for text, n in Counter(map(_said, inputs.stimuli.values())).items() if text),
        "wordless_stimuli": sum(not stimulus.words for stimulus in inputs.stimuli.values()),
        "sessions": json.dumps({subject.subject: len(set(subject.sessions)) for subject in inputs.subjects}),
        "frames_per_group": [int(group.lengths.sum()) for group in groups],
        "broken": json.dumps(inputs.broken),
        "alike_stimuli": sum(count for count in Counter(inputs.identities.values()).values() if count > 1),
    }


def _said(stimulus: Stimulus) -> str:
    """Return the words of a stimulus, without case and punctuation."""
    return " ".join(filter(None, (plain_word(word.text) for word in stimulus.words)))


def _example_words(inputs: Inputs, groups: Sequence[FitGroup]) -> str:
    """Return the words of the example stimuli, with start and end in s, as JSON."""
    shown = {group.example()[0] for group in groups}
    return json.dumps({name: [[w.text, w.start, w.end] for w in inputs.stimuli[name].words] for name in sorted(shown)})


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def write_results(dataset: xr.Dataset, path: Path) -> None:
    """Write the dataset as zarr, whole or not at all."""
    text = {name: values.astype(object) for name, values in dataset.coords.items() if values.dtype.kind == "U"}
    dataset = dataset.assign_coords(text)  # strings of any length, the kind that zarr 3 specifies
    with replacing(path) as temporary:
        dataset.to_zarr(temporary, mode="w", consolidated=False)
        seal_group(temporary)


def open_results(path: str | Path) -> xr.Dataset:
    """Open the results of a study.

    Parameters
    ----------
    path : str or Path
        The folder that ``heschl run`` wrote (or the ``results.zarr`` in it).

    Returns
    -------
    xarray.Dataset
        Labelled scores; the head of `heschl.study.results.dataset` describes the variables.

    Raises
    ------
    InputError
        Where there are no results, or they have another form than this version of heschl reads.

    Examples
    --------
    >>> from heschl import InputError, open_results
    >>> try:
    ...     results = open_results("results")  # then results["best_r2"].mean("fold"), and so on
    ... except InputError as error:
    ...     print(error.expected)
    a folder that `heschl run` has written to its end
    """
    import xarray as xr

    path = Path(path)
    path = path if path.suffix == ".zarr" else Layout(path).results
    if not path.is_dir():
        raise InputError(str(path), "no results", "a folder that `heschl run` has written to its end")
    found = group_attributes(path).get("schema", "unknown")
    if found != SCHEMA and found != "unknown":
        raise InputError(
            str(path),
            f"results of schema version {found}",
            f"version {SCHEMA}",
            "They are from another version of heschl: run the study again, or install that version.",
        )
    if not is_whole_group(path):
        raise InputError(
            str(path),
            "results that are not those that were written",
            "all files of the folder, unchanged",
            "Run the study again: its finished fits are kept, and the results are written anew.",
        )
    dataset: xr.Dataset = xr.open_zarr(path, consolidated=False, chunks=None)
    dataset.attrs = without_seal(dataset.attrs)
    return dataset
