"""Stage 1, features: each space on the study's grid, all layers, one stimulus after another, on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.study.cache import Cache, digest, digest_files
from heschl.study.inputs import Inputs
from heschl.study.progress import Advance, Reporter
from heschl.study.spaces import OpenSpace, open_space, source_key
from heschl.timing.grid import FrameGrid

CHUNK_FRAMES = 1024
"""Frames of one layer in one chunk on disk."""


@dataclass(frozen=True)
class SpaceInfo:
    """What has to be known of a space before its features are there.

    Attributes
    ----------
    key : str
        Hash of the settings and of the files behind the space.
    layers : tuple of str
        Names of the layers.
    width : int
        Features per layer.
    own_grid : FrameGrid or None
        The space's own frames, for a speech model.
    note : str
        What a reader of the results should know, such as words without a vector; or nothing.
    """

    key: str
    layers: tuple[str, ...]
    width: int
    own_grid: FrameGrid | None
    note: str


@dataclass(frozen=True)
class Features:
    """The features of one space, on disk.

    Attributes
    ----------
    path : Path
        A zarr array, (n_layers, all frames of all stimuli, width) float32.
    info : SpaceInfo
        Layers and width.
    rows : mapping of stimulus to (first frame, frames)
        Where each stimulus lies along the array's second axis.
    key : str
        Hash of all that the features depend on.
    """

    path: Path
    info: SpaceInfo
    rows: Mapping[str, tuple[int, int]]
    key: str

    def layer(self, index: int, segments: Sequence[tuple[str, int]]) -> NDArray[np.float32]:
        """Give one layer's frames of (stimulus, n_frames) segments, joined: (n, width)."""
        import zarr

        whole = np.asarray(zarr.open_array(self.path, mode="r")[index])
        return np.concatenate([whole[self.rows[name][0] :][:n_frames] for name, n_frames in segments])


def look_at_spaces(inputs: Inputs, cache: Cache) -> dict[str, SpaceInfo]:
    """Open each space once, so that what is wrong with a model is said before any work.

    What an earlier run has learned of a space is not looked up in the model again. Nothing is written.
    """
    infos = {}
    for name in inputs.study.features:
        key = source_key(name, inputs)
        known = _info_path(cache, name, key)
        if known.exists():
            stored = json.loads(known.read_text(encoding="utf-8"))
            own = stored["own_grid"] and FrameGrid(**stored["own_grid"])
            infos[name] = SpaceInfo(key, tuple(stored["layers"]), stored["width"], own, stored["note"])
        else:
            space = open_space(name, inputs)
            infos[name] = SpaceInfo(key, tuple(space.layers), space.width, space.own_grid, space.note)
            del space  # one model in memory at a time
    return infos


def study_grid(inputs: Inputs, infos: Mapping[str, SpaceInfo]) -> FrameGrid:
    """Give the study's one frame grid."""
    model = inputs.study.grid_model()
    if model is not None:
        grid = infos[model].own_grid
        assert grid is not None, "a speech space has frames of its own"
        return grid
    assert inputs.study.grid.rate is not None, "the settings have checked that there is a model or a rate"
    return FrameGrid.from_rate(inputs.study.grid.rate)


def extract_features(
    inputs: Inputs, infos: Mapping[str, SpaceInfo], grid: FrameGrid, cache: Cache, report: Reporter
) -> dict[str, Features]:
    """Extract every space that the cache does not hold yet.

    Parameters
    ----------
    inputs : Inputs
        The study.
    infos : mapping of str to SpaceInfo
        From `look_at_spaces`.
    grid : FrameGrid
        The frames to bring everything to.
    cache : Cache
        Where features are kept, one array per space.
    report : Reporter
        Told of the progress.

    Returns
    -------
    dict of str to Features
        In the order of the study.toml.
    """
    stimuli = inputs.stimuli.values()
    n_frames = {name: grid.n_frames(length) for name, length in inputs.lengths.items()}
    starts = np.cumsum([0, *n_frames.values()])
    rows = {name: (int(start), n) for (name, n), start in zip(n_frames.items(), starts, strict=False)}
    frames_key = digest(asdict(grid), inputs.lengths)
    sounds_key = digest_files(stimulus.path for stimulus in stimuli)
    words_key = digest([[asdict(word) for word in stimulus.words] for stimulus in stimuli])
    found = {}
    for name, info in infos.items():
        spoken = inputs.study.features[name].kind in ("language", "words")
        key = digest(info.key, frames_key, words_key if spoken else sounds_key)
        with report.stage(f"features {name} ({_layers(info)})", len(stimuli)) as advance:
            make = partial(_extract, name=name, inputs=inputs, grid=grid, n_frames=n_frames, advance=advance)
            path = cache.get(f"features/{name}.zarr", key, make)
        _remember(cache, name, info)
        found[name] = Features(path, info, rows, key)
    return found


def _extract(
    path: Path, name: str, inputs: Inputs, grid: FrameGrid, n_frames: Mapping[str, int], advance: Advance
) -> None:
    """Write one space's frames of all stimuli to ``path``."""
    space = open_space(name, inputs)
    with _LayerWriter(path, space, sum(n_frames.values())) as writer:
        for done, stimulus in enumerate(inputs.stimuli.values()):
            where = f"features.{name}, stimulus {stimulus.name!r}"
            try:
                frames = space.frames(stimulus, inputs.lengths[stimulus.name], grid)
            except InputError as error:
                raise InputError(f"{where}: {error.argument}", error.found, error.expected, error.advice) from None
            if not np.isfinite(frames).all():
                raise InputError(where, "NaN or infinite features", "finite ones", "Is the model whole?")
            writer.append(frames)
            advance(done + 1)


def _layers(info: SpaceInfo) -> str:
    return f"{len(info.layers)} layer{'s' * (len(info.layers) > 1)} × {info.width}"


def _info_path(cache: Cache, name: str, key: str) -> Path:
    return cache.path(f"features/{name}.json", key)


def _remember(cache: Cache, name: str, info: SpaceInfo) -> None:
    text = json.dumps(asdict(info))
    cache.get(f"features/{name}.json", info.key, lambda path: path.write_text(text, encoding="utf-8"))


class _LayerWriter:
    """Writes frames that come stimulus by stimulus as whole chunks of a zarr array."""

    def __init__(self, path: Path, space: OpenSpace, n_frames: int) -> None:
        import zarr

        shape = (len(space.layers), n_frames, space.width)
        self.array = zarr.create_array(
            path,
            shape=shape,
            chunks=(1, min(CHUNK_FRAMES, n_frames), space.width),
            dtype="float32",
            attributes={"layers": list(space.layers), "axes": ["layer", "frame", "feature"]},
        )
        self.waiting: list[NDArray[np.float32]] = []
        self.written = 0

    def __enter__(self) -> _LayerWriter:
        return self

    def append(self, frames: NDArray[np.float32]) -> None:
        self.waiting.append(frames)
        if sum(block.shape[1] for block in self.waiting) >= CHUNK_FRAMES:
            self._write(whole_chunks=True)

    def _write(self, *, whole_chunks: bool) -> None:
        block = np.concatenate(self.waiting, axis=1)
        n = block.shape[1] - (block.shape[1] % CHUNK_FRAMES if whole_chunks else 0)
        self.array[:, self.written : self.written + n] = block[:, :n]
        self.written += n
        self.waiting = [block[:, n:]]

    def __exit__(self, error: object, *_: object) -> None:
        if error is None:
            self._write(whole_chunks=False)
