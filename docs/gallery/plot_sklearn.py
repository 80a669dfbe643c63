"""
scikit-learn's cross-validation, searches and pipelines
=======================================================

Rows of a recording are not independent, and lags must not reach over what a split has left out. Tables say by their index
where rows lie; arrays by `heschl.segment_labels` and scikit-learn's metadata routing. Where neither does, heschl warns.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import heschl

rng = np.random.default_rng(0)
lengths = rng.integers(60, 120, size=30)
labels = heschl.segment_labels(lengths)  # a record for each row: segment, frame
X = rng.standard_normal((len(labels), 4))
Y = np.roll(X[:, :2], 3, axis=0) + rng.standard_normal((len(labels), 2))

# %%
# By routing: each fold's fit, and each fold's score, gets the labels of its own rows. Segments and groups need no
# request; they are routed as soon as routing is on.
params = {"segments": labels, "groups": labels["segment"]}
with sklearn.config_context(enable_metadata_routing=True):
    model = make_pipeline(StandardScaler(), heschl.LaggedRidge(10.0, lags=range(6)))
    scores = cross_validate(model, X, Y, cv=GroupKFold(5), params=params)["test_score"]
    search = GridSearchCV(heschl.LaggedRidge(lags=range(6)), {"alpha": [1, 10, 100, 1000]}, cv=GroupKFold(5))
    search.fit(X, Y, **params)
figure, axes = plt.subplots(1, 2, figsize=(7, 2.6), layout="constrained")
axes[0].bar(range(1, 6), scores)
axes[0].set(xlabel="fold", ylabel="R²", title="cross_validate")
axes[1].semilogx(search.cv_results_["param_alpha"].astype(float), search.cv_results_["mean_test_score"], marker="o")
axes[1].set(xlabel="alpha", ylabel="R², mean of folds", title="GridSearchCV")
print("R² of each fold:", scores.round(3), " best alpha:", search.best_params_["alpha"])

# %%
# By tables: a DataFrame whose index has a level "segment" (or several levels; then the first is taken). This also
# works where scikit-learn hands nothing on, as in ``cross_val_predict``.
index = pd.MultiIndex.from_arrays([labels["segment"], labels["frame"] / 50], names=["segment", "time"])
table = pd.DataFrame(X, index, ["low", "middle", "high", "onset"])
targets = pd.DataFrame(Y, index, ["STG1", "STG2"])
predicted = cross_val_predict(
    heschl.LaggedRidge(10.0, lags=range(6)), table, targets, cv=GroupKFold(5), groups=labels["segment"]
)
print("r, out of fold:", [round(float(np.corrcoef(predicted[:, j], Y[:, j])[0, 1]), 3) for j in range(2)])

# %%
# Names stay with the numbers:
fitted = heschl.LaggedRidgeCV(tmin=0, tmax=0.1, sfreq=50, alphas=np.logspace(-1, 4, 6)).fit(table, targets)
fitted.to_xarray()["coef"].sel(target="STG1").to_pandas().round(2)
