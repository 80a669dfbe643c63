"""The study: from one study.toml to scores, tables and figures.

``config`` and ``kinds`` say what a study.toml may hold; ``session`` is a study in hand; ``run`` is the order of work:
``extraction`` → ``analyses`` → ``results`` → ``report``. ``work`` is how finished pieces are kept and shared out.
"""

from heschl.study.results.dataset import open_results
from heschl.study.run import run_study

__all__ = ["open_results", "run_study"]
