"""Results of a study: one labelled dataset, and its tables."""

from heschl.study.results.dataset import open_results

__all__ = ["open_results"]
