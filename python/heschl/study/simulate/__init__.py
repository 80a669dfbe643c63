"""Cohorts of known truth, written as the files a study reads: sound, words, models, responses, study.toml."""

from heschl.study.simulate.cohort import simulate_cohort
from heschl.study.simulate.paper import simulate_paper

__all__ = ["simulate_cohort", "simulate_paper"]
