"""What runs on a worker: a piece of an analysis made, the features of some stimuli extracted."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from heschl.checks import InputError
from heschl.features.store import DamagedFeatures, Description, FeatureStore
from heschl.sources import code_key
from heschl.study.cluster.parcels import Carried, Delivered, Folder, Parcel, placed
from heschl.study.cluster.shares import Known, Place, Reached, Share, gone_through
from heschl.study.extraction.extract import extract_missing
from heschl.study.kinds.base import FeatureSpace, OpenSpace
from heschl.study.work.cache import Cache, Piece
from heschl.study.work.progress import Reporter
from heschl.timing.stimulus import Stimulus

PACKAGES = ("numpy", "scipy", "torch", "transformers", "distributed")
"""Whose versions decide digits, or whether machines understand each other."""
ATTEMPTS = 100
"""Times that a worker extracts its own damaged features again."""


class NotShared(InputError):
    """A worker does not see the results folder that others see."""


@dataclass(frozen=True)
class Site:
    """What a worker must know of the study's place.

    Attributes
    ----------
    versions : dict of str to str
        Of the client: heschl's code, Python, packages.
    cache : str
        The folder of finished pieces, as the client names it.
    mark : str
        A file there, and what it holds, by which a worker knows that it sees the same folder; nothing where the folder
        is not shared.
    study : str
        The study.toml, which a worker that shares the folders sees, too.
    """

    versions: dict[str, str]
    cache: str
    mark: str = ""
    study: str = ""

    @property
    def shared(self) -> bool:
        """Whether client and workers share the results folder."""
        return bool(self.mark)


@dataclass(frozen=True)
class Done:
    """What comes back from a task.

    Attributes
    ----------
    seconds : float
        That it took.
    content : bytes or None
        The piece, where the folder is not shared.
    weight : int
        Bytes that would have to be made again on another worker: Dask then sends what needs them here.
    """

    seconds: float
    content: bytes | None = field(default=None, repr=False)
    weight: int = 0

    def __sizeof__(self) -> int:
        """Return what Dask should take for the size."""
        return max(self.weight, len(self.content or b"")) + 64


@dataclass(frozen=True)
class Extraction:
    """The features of some stimuli of one space, to be extracted.

    Attributes
    ----------
    folder : Path
        Of the study.toml.
    stimuli : mapping of name to Stimulus
        All of the study.
    lengths : mapping of name to float
        s.
    space : FeatureSpace
    store : FeatureStore
    key : str
        Of the feature set.
    description : Description
    keys : mapping of name to str
        The hash of each stimulus that the set should hold.
    """

    folder: Path
    stimuli: Mapping[str, Stimulus]
    lengths: Mapping[str, float]
    space: FeatureSpace
    store: FeatureStore
    key: str
    description: Description
    keys: Mapping[str, str]

    def run(self, names: Sequence[str]) -> int:
        """Extract what the set lacks of some stimuli; return the bytes that the set takes.

        The set is locked while rows are written, not while the model runs: workers extract different stimuli at once.

        Raises
        ------
        RefusedStimuli
            Where the model refuses stimuli; all others are in the set then.
        """
        stored = self.store.create(self.key, self.description)
        collected = _Collected(self.description, stored.index())
        try:
            extract_missing(
                collected, {self.keys[name]: self.stimuli[name] for name in names}, self.lengths,  # type: ignore[arg-type]
                lambda: _model_of(self), self.description.name, Reporter(None),
            )  # fmt: skip
        finally:
            if collected.blocks:
                with stored.writing() as writer:
                    for key in writer.missing(list(collected.blocks)):
                        writer.add(key, collected.blocks[key])
        return stored.n_bytes()


class _Collected:
    """Stands for a feature set and its writer while a model runs; holds in memory what is to be written."""

    def __init__(self, description: Description, index: Mapping[str, Any]) -> None:
        self.description, self._index = description, index
        self.blocks: dict[str, list[Any]] = {}

    def index(self) -> Mapping[str, Any]:
        return self._index

    @contextmanager
    def writing(self, wait: Callable[[], object] | None = None) -> Iterator[_Collected]:
        yield self

    def missing(self, keys: Sequence[str]) -> list[str]:
        return [key for key in keys if key not in self._index]

    def add(self, key: str, blocks: Any) -> None:
        self.blocks[key] = list(blocks)


_model: dict[str, OpenSpace] = {}  # the one that was used last: groups of stimuli follow each other


def _model_of(job: Extraction) -> OpenSpace:
    if job.key not in _model:
        _model.clear()
        _model[job.key] = job.space.open(job)
    return _model[job.key]


def extract(parcel: Parcel, names: Sequence[str], site: Site, carried: Mapping[str, Any]) -> Done:
    """Extract the features of some stimuli; without a shared folder, into a store of this worker's own."""
    with _at_work(site) as root:
        started = time.monotonic()
        weight = _job(parcel, site, carried, root).run(names)
        return Done(time.monotonic() - started, weight=weight if root else 0)


def make(
    name: str, key: str, parcel: Parcel, site: Site, carried: Mapping[str, Any], features: Mapping[str, Parcel],
    counts: Mapping[Place, Sequence[int]] | None, shares: Sequence[Share], after: Sequence[Done],
) -> Done | Reached:  # fmt: skip
    """Make a piece.

    Parameters
    ----------
    name, key : str
        Of the piece.
    parcel : Parcel
        What makes it.
    site : Site
    carried : mapping of name to array or bytes
        What was sent apart, where the folder is not shared.
    features : mapping of space to Parcel
        How to extract the features that it reads, where the folder is not shared and this worker lacks them.
    counts, shares : mapping of Place to sequence of int, sequence of Share
        What other workers have found of it, where it is made in shares (see `Known`); else None, and nothing.
    after : sequence of Done
        The extraction of those features: what must be over.

    Returns
    -------
    Done, or Reached where the piece is made in shares and not all of them are known
    """
    with _at_work(site) as root:
        started = time.monotonic()
        known = None if counts is None else Known(counts, shares)
        earlier = known.latest_seconds(()) if known else 0.0
        _model.clear()
        cache = Cache(placed(site.cache, root))
        piece = Piece(name, key, parcel.open(_delivered(site, carried), root))

        def write() -> None:
            with_features(lambda: cache.paths([piece], Reporter(None)), features, site, carried, root)

        count = gone_through(write, known)
        seconds = time.monotonic() - started + earlier
        if isinstance(count, int):
            return Reached(seconds, count)
        return Done(seconds, cache.path(name, key).read_bytes() if root else None)


def share(
    wanted: Place, parcel: Parcel, site: Site, carried: Mapping[str, Any], features: Mapping[str, Parcel],
    counts: Mapping[Place, Sequence[int]], shares: Sequence[Share], after: Sequence[Done],
) -> Share | Reached:  # fmt: skip
    """Compute a part of a piece; other arguments are those of `make`."""
    with _at_work(site) as root:
        started = time.monotonic()
        known = Known(counts, shares)
        earlier = known.latest_seconds(wanted)
        _model.clear()
        call = parcel.open(_delivered(site, carried), root)
        nowhere = Path(os.devnull)  # a part is found before anything is written

        def compute() -> None:
            with_features(lambda: call(nowhere, lambda done, total: None), features, site, carried, root)

        found = gone_through(compute, known, wanted)
        seconds = time.monotonic() - started + earlier
        assert found is not None, "the client asks for parts that a piece has said it has"
        return Reached(seconds, found) if isinstance(found, int) else replace(found, seconds=seconds)


def with_features(
    work: Callable[[], object], features: Mapping[str, Parcel], site: Site, carried: Mapping[str, Any],
    root: Path | None,
) -> None:  # fmt: skip
    """Do work that reads features; without a shared folder they are extracted here, again where they are damaged."""
    for _ in range(ATTEMPTS if root else 1):
        for extraction in features.values():
            job = _job(extraction, site, carried, root)
            job.run(list(job.keys))
        try:
            work()
            return
        except DamagedFeatures:
            if root is None:  # the client lets them be extracted again
                raise


def _job(parcel: Parcel, site: Site, carried: Mapping[str, Any], root: Path | None) -> Extraction:
    """Return an extraction; the files that are sent with it are written below a folder of this worker's own."""
    job, *files = parcel.arguments_of(_delivered(site, carried), root)
    for content in files:
        for name, data in content.items():
            path = placed(name, root)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    assert isinstance(job, Extraction)
    return job


def extraction(job: Extraction, *files: Mapping[str, bytes]) -> Extraction:
    """Return an extraction: what a parcel of it is made of, with the files that are sent beside it."""
    return job


def _delivered(site: Site, carried: Mapping[str, Any]) -> Delivered:
    return Folder(sent_folder(site.cache)) if site.shared else Carried(carried)


def sent_folder(cache: str) -> str:
    """Return the folder in a cache for what is sent to workers."""
    return os.path.join(cache, ".sent")


@contextmanager
def _at_work(site: Site) -> Iterator[Path | None]:
    """Check this worker, and give the work the threads that the worker has; yield its own folder, if none is shared."""
    from distributed import get_worker

    worker = get_worker()
    check_versions(site.versions, versions(), worker.address)
    if site.shared and not sees(site):
        raise NotShared(
            "results folder", f"no {site.cache} or {site.study} on worker {worker.address}, or others",
            "the folders that the client sees", "Mount them there, or use workers that all are without them.",
        )  # fmt: skip
    with threads(int(worker.state.nthreads)):
        yield None if site.shared else Path(worker.local_directory) / "heschl"


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Hold BLAS, and torch where it is in use, at so many threads; hidden states depend on it in their last digits."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else count
    try:
        if torch:
            torch.set_num_threads(count)
        with threadpool_limits(count):
            yield
    finally:
        if torch:
            torch.set_num_threads(before)


def sees(site: Site) -> bool:
    """Return whether this process sees the mark in the results folder, and the study."""
    name, _, text = site.mark.partition(":")
    try:
        return Path(site.cache, name).read_text() == text and (not site.study or Path(site.study).is_file())
    except OSError:
        return False


def versions() -> dict[str, str]:
    """Return what must be alike on client and workers: heschl's code, Python, and packages that are installed."""
    found = {
        "heschl": code_key("heschl.study.analyses.registry", __name__),
        "Python": ".".join(platform.python_version_tuple()[:2]),
    }
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def check_versions(client: Mapping[str, str], here: Mapping[str, str], address: str) -> None:
    """Refuse a worker whose results, or pickles, would not be the client's.

    Raises
    ------
    InputError
        Which says what differs.
    """
    differing = [name for name in client if here.get(name) != client[name]]
    if differing:
        raise InputError(
            f"worker {address}", ", ".join(f"{name} {here.get(name, 'missing')}" for name in differing),
            ", ".join(f"{name} {client[name]}" for name in differing) + ", as on the client",
            "Install the same environment on all machines (heschl's version here is a hash of its code).",
        )  # fmt: skip
