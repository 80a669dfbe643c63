"""
Electrodes on the brain
=======================

Values at electrodes, seen from the side. Positions in MNI space (m) are drawn on fsaverage's cortex, which comes with
nilearn: nothing is downloaded.
"""

# %%
# Positions near the surface of the temporal lobe, simulated; the score falls off with the distance from Heschl's gyrus.
import numpy as np
from nilearn.datasets import load_fsaverage

import heschl

rng = np.random.default_rng(0)
mesh = load_fsaverage("fsaverage5")["pial"].parts
positions = []
for side, sign in (("left", -1), ("right", 1)):
    vertices = np.asarray(mesh[side].coordinates) / 1e3
    centre = np.array([sign * 0.06, -0.02, 0.01])
    near = np.flatnonzero(np.linalg.norm(vertices - centre, axis=1) < 0.045)
    positions.append(vertices[rng.choice(near, 60, replace=False)])
positions = np.concatenate(positions)
centres = np.where(positions[:, :1] < 0, [-0.05, -0.02, 0.008], [0.05, -0.02, 0.008])
score = 0.4 * np.exp(-0.5 * (np.linalg.norm(positions - centres, axis=1) / 0.02) ** 2)
score[rng.choice(120, 8, replace=False)] = np.nan  # no score: grey

# %%
heschl.plot_brain(positions, score, label="R²", limits=(0, 0.4))
