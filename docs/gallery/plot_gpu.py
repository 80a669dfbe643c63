"""
On a GPU, if there is one
=========================

``device="auto"`` computes where the data lie, or on a GPU where the fit is large enough to gain by it. `heschl.cuda_status`
says whether there is one, and if not why. On the machine that built this page:
"""

# %%
import numpy as np

import heschl

status = heschl.cuda_status()
print(status)

# %%
# The same fit on each device that there is; results are NumPy arrays unless the features came from the GPU.
rng = np.random.default_rng(0)
X = rng.standard_normal((4000, 32)).astype(np.float32)
Y = np.roll(X[:, :8], 4, axis=0) + rng.standard_normal((4000, 8)).astype(np.float32)
for device in ["cpu", "cuda"] if status.available else ["cpu"]:
    model = heschl.LaggedRidgeCV(lags=range(10), alphas=np.logspace(0, 5, 6), device=device)
    model.fit(X, Y, segments=[200] * 20)
    print(device, model.solver_, model.dtype_, "best R²", model.cv_scores_.max(axis=0).mean().round(4))

# %%
# Scores over penalties on the device that came last; those of all devices are the same:
heschl.plot_alphas(model)
