"""The study: from one study.toml to scores, tables and figures.

``config`` says what a study.toml may hold; ``run`` is the order of the stages: ``inputs`` → ``extraction``
(of the ``spaces``) and ``targets`` → ``encoding`` → ``results`` → ``tables``, ``summary``, ``figures``.
``cache`` is how finished work is kept.
"""

from heschl.study.results.dataset import open_results
from heschl.study.run import run_study

__all__ = ["open_results", "run_study"]
