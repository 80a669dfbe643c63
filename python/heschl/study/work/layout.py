"""The results folder of a study: every name of a file in it stands here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RESULTS_TITLE = "results, tables, summary, figures"
"""What the last stage of a run is called."""
DEFAULT = "results"
"""Name of the results folder beside a study.toml."""


@dataclass(frozen=True)
class Layout:
    """The folder that ``heschl run`` writes.

    Attributes
    ----------
    out : Path
        The folder itself.
    """

    out: Path

    @classmethod
    def of(cls, study: str | Path, out: str | Path | None = None) -> Layout:
        """Return the layout of a study's results: in ``out``, or by default in "results" beside the study.toml."""
        return cls(Path(out) if out is not None else Path(study).resolve().parent / DEFAULT)

    @property
    def cache(self) -> Path:
        """Finished pieces of work."""
        return self.out / "cache"

    @property
    def features(self) -> Path:
        """The feature store of a study that names none."""
        return self.out / "features"

    @property
    def results(self) -> Path:
        """The labelled dataset that everything below is made from."""
        return self.out / "results.zarr"

    @property
    def summary(self) -> Path:
        """The summary in Markdown."""
        return self.out / "summary.md"

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.out / "report.html"

    @property
    def figures(self) -> Path:
        """The folder of figures."""
        return self.out / "figures"

    @property
    def plan(self) -> Path:
        """What a run was estimated to take."""
        return self.out / "plan.json"

    @property
    def timing(self) -> Path:
        """What it took."""
        return self.out / "timing.json"

    def table(self, name: str) -> Path:
        """Return the file of a table: "scores", "best_layers", "contrasts", and those of the analyses."""
        return self.out / f"{name}.csv"
