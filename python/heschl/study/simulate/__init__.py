"""A cohort of known truth, written as the files a study reads: sound, words, models, responses, study.toml."""

from heschl.study.simulate.cohort import simulate_cohort

__all__ = ["simulate_cohort"]
