"""The study in hand: its files, features, targets and results folder, each looked up when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from heschl.features.store import FeatureStore
from heschl.linear.device.place import check_device
from heschl.study.config.study import Study
from heschl.study.extraction.extract import RefusedStimuli, extract_missing
from heschl.study.extraction.features import Features
from heschl.study.extraction.inventory import store_of
from heschl.study.extraction.spaces import OpenSpaces, Source
from heschl.study.inputs.groups import FitGroup
from heschl.study.inputs.load import Inputs, leave_out, load_inputs
from heschl.study.inputs.targets import fit_groups
from heschl.study.work.cache import Cache
from heschl.study.work.layout import Layout
from heschl.study.work.progress import Reporter
from heschl.timing.grid import FrameGrid

T = TypeVar("T")


class Session:
    """One study as a command works on it.

    Parameters
    ----------
    path : str or Path
        The study.toml.
    out : str or Path, optional
        Where results lie or are written; by default the folder "results" beside the study.toml.
    report : Reporter, optional
        Told of the progress.
    inputs : Inputs, optional
        What the study.toml names, where it is loaded already.

    Attributes
    ----------
    path : Path
    layout : Layout
        The names of everything in the results folder.
    cache : Cache
        Finished pieces of work.
    report : Reporter

    Raises
    ------
    InputError
        From the properties below, for anything that is wrong with what they look up.
    """

    def __init__(
        self,
        path: str | Path,
        out: str | Path | None = None,
        report: Reporter | None = None,
        *,
        inputs: Inputs | None = None,
    ) -> None:
        self.path = Path(path)
        self.layout = Layout.of(path, out)
        self.cache = Cache(self.layout.cache)
        self.report = report or Reporter(None)
        self._loaded = inputs
        self._kept: dict[str, Any] = {}

    @cached_property
    def inputs(self) -> Inputs:
        """Everything that the study.toml names."""
        return self._loaded or load_inputs(self.path)

    @property
    def study(self) -> Study:
        """The settings."""
        return self.inputs.study

    @cached_property
    def store(self) -> FeatureStore:
        """Where features are kept."""
        return store_of(self.study, self.inputs.folder, self.layout)

    @cached_property
    def spaces(self) -> OpenSpaces:
        """The models, as long as they are in memory."""
        return OpenSpaces(self.inputs)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """What the features of each space come from."""
        return self.spaces.sources(self.store)

    @cached_property
    def grid(self) -> FrameGrid:
        """The study's one frame grid."""
        model = self.study.grid_model()
        if model is not None:
            grid = self.sources[model].description.grid
            assert grid is not None, "a speech space has frames of its own"
            return grid
        assert self.study.grid.rate is not None, "the settings have checked that there is a model or a rate"
        return FrameGrid.from_rate(self.study.grid.rate)

    @cached_property
    def groups(self) -> list[FitGroup]:
        """The responses on the grid, in groups of subjects who share their segments."""
        return fit_groups(self.inputs, self.grid)

    @cached_property
    def features(self) -> dict[str, Features]:
        """The features of each space on the grid; nothing is read before a layer is asked for."""
        return {
            name: Features(
                source.key, source.description, self.store,
                {n: space.stimulus_key(stimulus, self.inputs) for n, stimulus in self.inputs.stimuli.items()},
                self.grid, space, self.inputs.stimuli, self.inputs.lengths,
            )
            for name, source in self.sources.items()
            for space in [self.study.features[name]]
        }  # fmt: skip

    def check(self) -> None:
        """Look everything up that can be wrong, before any work."""
        check_device(self.study.encoding.device)
        _ = self.sources, self.grid, self.groups, [found.chosen for found in self.features.values()]
        for line in self.study.encoding.rounded(self.grid.rate):
            self.report.say(line)

    def without(self, spaces: Collection[str] = (), joints: Collection[str] = ()) -> Session:
        """Return the same study without some spaces and joint models, on the same grid, with the same folds."""
        study = self.study.without(spaces, joints, self.grid.rate)
        less = Session(self.path, self.layout.out, self.report, inputs=replace(self.inputs, study=study))
        for name in ("store", "spaces", "grid", "groups"):
            less.__dict__[name] = getattr(self, name)
        for name in ("sources", "features"):
            less.__dict__[name] = {key: v for key, v in getattr(self, name).items() if key in study.features}
        return less

    def extracted(self, names: Sequence[str] | None = None) -> Session:
        """Extract what the store lacks of some spaces, by default of all.

        Returns
        -------
        Session
            This one; or, where a model refuses a few stimuli, the same study without them.

        Raises
        ------
        InputError
            Where too many stimuli are refused; all others are in the store then.
        """
        try:
            for name in self.sources if names is None else names:
                self._extract(name)
        except RefusedStimuli as error:
            without = leave_out(self.inputs, error.stimuli)
            if without is None:
                raise
            return Session(self.path, self.layout.out, self.report, inputs=without).extracted(names)
        finally:
            self.spaces.release()
        return self

    def _extract(self, name: str) -> None:
        source, features = self.sources[name], self.features[name]
        extract_missing(
            self.store.create(source.key, source.description),
            {key: self.inputs.stimuli[stimulus] for stimulus, key in features.keys.items()},
            self.inputs.lengths, lambda: self.spaces.take(name), source.title, self.report,
        )  # fmt: skip

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` gives, called once in this session for each name."""
        if name not in self._kept:
            self._kept[name] = make()
        found: T = self._kept[name]
        return found
