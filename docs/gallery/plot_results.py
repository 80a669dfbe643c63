"""
Results of a study, with xarray and pandas
==========================================

`heschl.open_results` opens what a study wrote as one labelled dataset. Here a dataset of the same form is made by hand, so
that this example stands alone: yours comes from ``heschl.open_results("results")``.
"""

# %%
import numpy as np
import xarray as xr

import heschl

rng = np.random.default_rng(0)
spaces, electrodes = ["mel", "wav2vec2", "gpt2"], [f"S{s}/G{e + 1}" for s in (1, 2, 3) for e in range(20)]
best = np.clip(rng.normal([[0.12], [0.25], [0.16]], 0.06, (3, 60)), 0, None)
results = xr.Dataset(
    {
        "best_r2": (("space", "electrode", "fold"), best[..., None] + 0.02 * rng.standard_normal((3, 60, 5))),
        "r2": (("model", "electrode", "fold"), rng.uniform(0, 0.3, (12, 60, 5))),
        "p_value": (("space", "electrode"), rng.beta(0.4, 4, (3, 60))),
    },
    {
        "space": spaces, "electrode": electrodes, "subject": ("electrode", [e[:2] for e in electrodes]),
        "region": ("electrode", rng.choice(["STG", "MTG", "IFG"], 60)),
        "model": [f"wav2vec2/{i}" for i in range(12)], "layer": ("model", np.arange(12)),
    },
)  # fmt: skip
results

# %%
# A table of medians by region, without a loop:
scores = results["best_r2"].mean("fold")
scores.to_dataframe().reset_index().pivot_table("best_r2", "region", "space", aggfunc="median").round(3)

# %%
# How many electrodes of each subject follow each space, at p < 0.05 (of the test that the study did)?
(results["p_value"] < 0.05).groupby("subject").sum("electrode").to_pandas()

# %%
# The estimators' own plots take these arrays:
heschl.plot_scores({str(s): scores.sel(space=s).values for s in scores["space"].values})

# %%
heschl.plot_layers({"wav2vec2": results["r2"].mean("fold")})

# %%
# To R, SPSS, a spreadsheet: one row for each electrode and space.
scores.to_dataframe().reset_index()[["subject", "electrode", "region", "space", "best_r2"]].head()
