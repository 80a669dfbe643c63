"""Modules that have moved since 0.1: their old names still import, so that pickles and scripts of then still work."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "heschl.ecog.artefacts": "heschl.ecog.cleaning.artefacts",
    "heschl.ecog.clean": "heschl.ecog.cleaning",
    "heschl.ecog.dataset": "heschl.ecog.responses.dataset",
    "heschl.ecog.readers": "heschl.ecog.recording.readers",
    "heschl.ecog.writers": "heschl.ecog.recording.writers",
    "heschl.linear.banded_estimator": "heschl.linear.estimators.banded",
    "heschl.linear.base": "heschl.linear.estimators.base",
    "heschl.linear.cca_grid": "heschl.linear.cca.grid",
    "heschl.linear.cca_inference": "heschl.linear.cca.inference",
    "heschl.linear.cuda": "heschl.linear.device.cuda",
    "heschl.linear.cv": "heschl.linear.crossval.path",
    "heschl.linear.estimator": "heschl.linear.estimators.ridge",
    "heschl.linear.learned": "heschl.linear.crossval.learned",
    "heschl.linear.nested": "heschl.linear.crossval.nested",
    "heschl.linear.nulls_refit": "heschl.linear.nulls.refitted",
    "heschl.linear.permutation": "heschl.linear.nulls.permutation",
    "heschl.linear.published": "heschl.linear.crossval.joined",
    "heschl.linear.segments": "heschl.linear.design.segments",
    "heschl.linear.shared": "heschl.linear.cca.parts",
    "heschl.linear.solvers": "heschl.linear.ridge.solvers",
    "heschl.linear.spaces": "heschl.linear.design.spaces",
    "heschl.linear.variance": "heschl.linear.estimators.variance",
    "heschl.study.audit": "heschl.study.inputs.audit",
    "heschl.study.targets": "heschl.study.inputs.targets",
}


class _Redirect(MetaPathFinder, Loader):
    """Finds a module by its old name, and puts the one of today in its place."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in MOVED else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        warnings.warn(f"{name} is now {MOVED[name]}", DeprecationWarning, stacklevel=2)
        sys.modules[name] = importlib.import_module(MOVED[name])


def redirect() -> None:
    """Let old names be found, after everything that Python finds by itself."""
    if not any(isinstance(finder, _Redirect) for finder in sys.meta_path):
        sys.meta_path.append(_Redirect())
