"""What of a study's features is missing, and how it is extracted elsewhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from heschl.checks import InputError
from heschl.study.cluster.parcels import Packer, Parcel
from heschl.study.cluster.worker import Extraction, extraction
from heschl.study.session import Session

GROUP_SECONDS = 120.0
"""Of sound, that one task extracts of a model."""
GROUP_BYTES = 512e6
"""Of features, at most, that one task holds in memory."""
MOST_BYTES = 2e9
"""Of files that are sent for one space; what is larger has a name on the Hub, or is shared."""


class Extractions:
    """The features of a study, to be extracted on workers.

    Parameters
    ----------
    session : Session
    packer : Packer
    shared : bool
        Whether workers share the client's folders: else they are sent the files.
    """

    def __init__(self, session: Session, packer: Packer, shared: bool) -> None:
        self.session, self._packer, self._shared = session, packer, shared
        self._parcels: dict[str, Parcel] = {}
        self._sounds: dict[str, bytes] | None = None

    def missing(self, name: str) -> list[list[str]]:
        """Return the stimuli that are to be extracted of a space, in groups that one task each takes.

        Sounds of like lengths stand together. Without a shared folder all of a space is one task: a store of its own.
        """
        session = self.session
        keys, lengths = session.features[name].keys, session.inputs.lengths
        if not self._shared:
            return [list(keys)]
        source = session.sources[name]
        stored = session.store.find(source.key)
        index = stored.index() if stored is not None else {}
        about = source.description
        rate = about.grid.rate if about.grid is not None else 5.0  # words come at a few a second
        each = 4.0 * about.width * len(about.layers) * rate
        most = min(GROUP_SECONDS, GROUP_BYTES / each)
        groups: list[list[str]] = []
        seconds = most
        for stimulus in sorted((s for s, key in keys.items() if key not in index), key=lambda s: lengths[s]):
            if seconds + lengths[stimulus] > most:
                groups.append([])
                seconds = 0.0
            groups[-1].append(stimulus)
            seconds += lengths[stimulus]
        return groups

    def parcel(self, name: str) -> Parcel:
        """Return how a space is extracted; with its files where they are not shared."""
        if name not in self._parcels:
            session = self.session
            source, inputs = session.sources[name], session.inputs
            job = Extraction(
                Path(inputs.folder).resolve(), inputs.stimuli, inputs.lengths, session.study.features[name],
                session.store, source.key, source.description, session.features[name].keys,
            )  # fmt: skip
            files = [] if self._shared else [self._all_sounds(), self._files(name)]
            self._parcels[name] = self._packer.pack(partial(extraction, job, *files))
        return self._parcels[name]

    def _all_sounds(self) -> dict[str, bytes]:
        if self._sounds is None:
            self._sounds = _read(
                [stimulus.path.absolute() for stimulus in self.session.inputs.stimuli.values()], "sounds"
            )
        return self._sounds

    def _files(self, name: str) -> dict[str, bytes]:
        """Read the files that the settings of a space name, beside the study.toml: vectors, arrays, a small model."""
        found: list[Path] = []
        for value in self.session.study.features[name].model_dump().values():
            if not isinstance(value, str) or not value or Path(value).expanduser().is_absolute():
                continue
            path = Path(self.session.inputs.folder).resolve() / value
            found += [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else []
        return _read(found, f"features.{name}")


def _read(paths: list[Path], what: str) -> dict[str, bytes]:
    """Read files, by their full names."""
    size = sum(path.stat().st_size for path in paths)
    if size > MOST_BYTES:
        raise InputError(
            f"files of {what}", f"{size / 1e9:.1f} GB that every worker would have to be sent",
            f"at most {MOST_BYTES / 1e9:.0f} GB without a shared folder",
            "Name a model by its name on the Hub or by the full path that it has on all machines, or share the folder.",
        )  # fmt: skip
    return {str(path): path.read_bytes() for path in paths}
