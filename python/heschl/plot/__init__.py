"""Plots of fitted estimators and of a study's results; each takes axes, or makes them, and returns them.

matplotlib comes with the extra "plot", and is imported where something is drawn.
"""

from heschl.plot.cortex import plot_brain
from heschl.plot.scores import plot_alphas, plot_layers, plot_scores
from heschl.plot.trf import plot_trf

__all__ = ["plot_alphas", "plot_brain", "plot_layers", "plot_scores", "plot_trf"]
