"""CCA by its laws, against NumPy and scikit-learn; nothing lost, nothing out of order, never NaN."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.cross_decomposition import CCA as Iterative

from heschl import CCA, InputError, LaggedMoments, cca_grid
from heschl.linear import held_out_correlations, permuted_correlations
from heschl.linear.cca.whitening import largest_singular_values, largest_singular_vectors, whiten
from heschl.linear.reference import canonical_correlations

ATOL = 1e-9


def related(seed: int, n: int, dx: int, dy: int, shared: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, shared))
    X = z @ rng.standard_normal((shared, dx)) + rng.standard_normal((n, dx)) + 5
    return X, z @ rng.standard_normal((shared, dy)) + rng.standard_normal((n, dy)) - 3


def quiet(model: CCA, X: np.ndarray, Y: np.ndarray) -> CCA:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, Y)


@given(st.integers(0, 99), st.integers(1, 8), st.integers(1, 8), st.integers(1, 10))
def test_laws(seed: int, dx: int, dy: int, k: int) -> None:
    X, Y = related(seed, 60, dx, dy)
    model = quiet(CCA(k), X, Y)
    count = min(k, dx, dy)
    assert model.n_components_ == count
    x, y = model.transform(X, Y)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=ATOL)
    np.testing.assert_allclose(x.T @ x / 60, np.eye(count), atol=ATOL)
    np.testing.assert_allclose(y.T @ y / 60, np.eye(count), atol=ATOL)
    np.testing.assert_allclose(x.T @ y / 60, np.diag(model.correlations_), atol=ATOL)
    np.testing.assert_allclose(model.correlations_, canonical_correlations(X, Y)[:count], atol=ATOL)
    assert (np.diff(model.correlations_) <= ATOL).all()
    for side, rest, rank in ((x, model.transform(X, part="rest"), dx), (y, model.transform(X, Y, part="rest")[1], dy)):
        assert rest.shape[1] == rank - count
        np.testing.assert_allclose(rest.T @ rest / 60, np.eye(rank - count), atol=ATOL)
        np.testing.assert_allclose(side.T @ rest / 60, 0, atol=ATOL)
    everything = model.transform(X, part="all")
    centred = X - X.mean(axis=0)
    np.testing.assert_allclose(everything @ (everything.T @ centred) / 60, centred, atol=1e-7)  # it spans all of X
    shared, left = model.split_features(X)
    np.testing.assert_allclose(shared + left, X, atol=1e-9)
    np.testing.assert_allclose(x.T @ (left - left.mean(axis=0)), 0, atol=1e-6)
    top = model.x_weights_[np.abs(model.x_weights_).argmax(axis=0), np.arange(count)]
    assert (top > 0).all()


def test_invertible_maps_change_nothing() -> None:
    rng = np.random.default_rng(0)
    X, Y = related(1, 200, 6, 4)
    one = CCA(4).fit(X, Y)
    other = CCA(4).fit(X @ rng.standard_normal((6, 6)) + 100, 1e-3 * Y @ rng.standard_normal((4, 4)))
    np.testing.assert_allclose(one.correlations_, other.correlations_, atol=1e-9)


@pytest.mark.parametrize("condition", [1e3, 1e5, 1e7])
def test_ill_conditioned_sides(condition: float) -> None:
    rng = np.random.default_rng(2)
    X, Y = related(3, 400, 20, 15)
    expected = canonical_correlations(X, Y)
    u, _ = np.linalg.qr(rng.standard_normal((20, 20)))
    squeezed = (X - X.mean(axis=0)) @ u @ np.diag(np.geomspace(1, 1 / condition, 20))
    np.testing.assert_allclose(CCA(15).fit(squeezed, Y).correlations_, expected, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rank_deficient_sides_lose_nothing_else(dtype: str) -> None:
    X, Y = related(4, 100, 5, 4)
    wide = np.hstack([X, X[:, :2] + X[:, 2:4], np.full((100, 1), 7.0), np.zeros((100, 1))]).astype(dtype)
    model = quiet(CCA(50, rank_tol=1e-6), wide, Y.astype(dtype))
    assert (model.x_rank_, model.y_rank_, model.n_components_) == (5, 4, 4)
    atol = 1e-5 if dtype == "float32" else 1e-9
    np.testing.assert_allclose(model.correlations_, canonical_correlations(X, Y), atol=atol)
    assert np.isfinite(model.transform(wide)).all()
    with pytest.warns(UserWarning, match="4 components, not 50"):
        CCA(50).fit(wide, Y)


def test_as_many_directions_as_rows_are_refused() -> None:
    rng = np.random.default_rng(5)
    X, Y = rng.standard_normal((20, 30)), rng.standard_normal((20, 3))
    for x, y, name in ((X, Y, "X"), (Y, X, "Y")):
        with pytest.raises(InputError, match=f"{name}: found 19 directions in 20 rows.*reg.*pca"):
            CCA(2).fit(x, y)
    assert CCA(2, reg=(5.0, 0.0)).fit(X, Y).correlations_[0] < 1
    assert CCA(2, pca=3).fit(X, Y).x_rank_ == 3
    with pytest.warns(UserWarning, match="2 correlations are 1 whatever the data: 11 \\+ 10 directions in 20 rows"):
        found = CCA(3).fit(X[:, :11], rng.standard_normal((20, 10)))
    np.testing.assert_allclose(found.correlations_[:2], 1.0, atol=1e-12)
    assert found.correlations_[2] < 0.999


def test_equal_sides_correlate_perfectly() -> None:
    X, _ = related(5, 100, 6, 2)
    np.testing.assert_allclose(CCA(6).fit(X, X[:, ::-1] * 3 + 1).correlations_, 1.0, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("condition", [10.0, 1e4, 3e6])
def test_one_pass_or_two_make_columns_orthonormal(dtype: str, condition: float) -> None:
    rng = np.random.default_rng(11)
    X = rng.standard_normal((1500, 12)) @ np.diag(np.geomspace(1, 1e-3, 12))
    mixed = X.copy()
    mixed[:, 1] = X[:, 0] + X[:, 1] / condition
    mixed = mixed.astype(dtype)
    side = whiten("X", mixed, reg=0.0, rank_tol=1e-12, pca=None)
    assert side.rank == 12 and side.rows.dtype == dtype
    Q = side.rows.astype(np.float64) @ side.turn
    atol = 1e-10 if dtype == "float64" else 1e-6
    np.testing.assert_allclose(Q.T @ Q, np.eye(12), atol=atol)
    expected = (mixed.astype(np.float64) - mixed.mean(axis=0, dtype=np.float64)) @ side.back
    np.testing.assert_allclose(Q, expected, atol=1e-5 if dtype == "float32" else 1e-13 * condition + 1e-10)


def test_from_moments_as_from_data() -> None:
    X, Y = related(12, 400, 5, 4)
    moments = LaggedMoments.from_data(np.hstack([Y, X]), segments=[40] * 10, lags=range(-1, 3))
    one, other = CCA(3).fit(X, Y), CCA(3).fit_moments(moments, slice(4, 9), slice(0, 4))
    np.testing.assert_allclose(other.correlations_, one.correlations_, atol=1e-10)
    for name in ("x_weights_", "y_weights_", "x_loadings_", "y_loadings_", "x_mean_"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), atol=1e-8)
    np.testing.assert_allclose(other.transform(X, part="rest") @ other.transform(X, part="rest").T,
                               one.transform(X, part="rest") @ one.transform(X, part="rest").T, atol=1e-6)  # fmt: skip
    assert CCA(2, pca=2).fit_moments(moments, range(4, 9), range(4)).n_components_ == 2
    with pytest.raises(InputError, match="lag 0"):
        CCA(3).fit_moments(LaggedMoments.from_data(X, lags=range(1, 3)), slice(0, 2), slice(2, 5))
    with pytest.raises(InputError, match="cv"):
        CCA(3, cv=5).fit_moments(moments, slice(4, 9), slice(0, 4))


@given(st.integers(0, 99), st.integers(1, 5), st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 6))
def test_largest_singular_values_of_a_batch(seed: int, cols: int, sizes: list[int], k: int) -> None:
    rng = np.random.default_rng(seed)
    M, edges = rng.standard_normal((sum(sizes), cols)), np.cumsum([0, *sizes])
    found = largest_singular_values(M, edges, k)
    for i, size in enumerate(sizes):
        expected = np.zeros(k)
        s = np.linalg.svd(M[edges[i] : edges[i + 1]], compute_uv=False)[:k] if size else []
        expected[: len(s)] = s
        np.testing.assert_allclose(found[i], expected, atol=1e-7)


def test_singular_vectors_where_values_fall_steeply() -> None:
    rng = np.random.default_rng(13)
    u, v = np.linalg.qr(rng.standard_normal((9, 6)))[0], np.linalg.qr(rng.standard_normal((12, 6)))[0]
    for s in (np.linspace(1, 0.5, 6), np.geomspace(1, 1e-9, 6)):
        for M in (u * s @ v.T, (u * s @ v.T).T):
            left, found, right = largest_singular_vectors(np.ascontiguousarray(M), 5)
            np.testing.assert_allclose(found, s[:5], rtol=1e-6)
            np.testing.assert_allclose(left.T @ left, np.eye(5), atol=1e-8)
            np.testing.assert_allclose(right.T @ right, np.eye(5), atol=1e-8)
            np.testing.assert_allclose(left.T @ M @ right, np.diag(found), atol=1e-12)


def test_permuted_correlations_find_the_planted_dimensions() -> None:
    X, Y = related(14, 400, 6, 6, shared=2)
    found = permuted_correlations(CCA(5), X, Y, segments=[20] * 20, n_permutations=99, random_state=0)
    assert (found.p_values[:2] == 0.01).all() and (found.p_values[2:] > 0.05).all() and found.null.shape == (99,)
    noise = np.random.default_rng(15).standard_normal((400, 12))
    p = [
        permuted_correlations(CCA(1), noise[:, :6] + i, np.roll(noise[:, 6:], 37 * i, axis=0), n_permutations=19,
                              segments=[20] * 20, random_state=i).p_values[0]
        for i in range(40)
    ]  # fmt: skip
    assert np.mean(np.array(p) <= 0.05) < 0.2
    with pytest.raises(InputError, match="nothing to exchange"):
        permuted_correlations(CCA(1, reg=1.0), X[:2], Y[:2], segments=[1, 1], groups=[0, 0])


def test_correlations_by_folds_in_the_fit() -> None:
    X, Y = related(9, 600, 30, 30, shared=1)
    found = CCA(5, cv=4).fit(X, Y, segments=[30] * 20).cv_correlations_
    np.testing.assert_array_equal(found, held_out_correlations(CCA(5), X, Y, segments=[30] * 20, cv=4))


def test_against_the_iterative_one() -> None:
    X, Y = related(6, 500, 5, 4, shared=3)
    theirs = Iterative(n_components=3, max_iter=20_000, tol=1e-12).fit(X, Y)
    a, b = theirs.transform(X, Y)
    expected = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(3)]
    np.testing.assert_allclose(CCA(3).fit(X, Y).correlations_, expected, atol=1e-4)


def test_a_penalty_against_its_definition() -> None:
    """A v = λ B v: weights solve the regularised generalised eigenproblem."""
    X, Y = related(7, 80, 6, 5)
    model = CCA(3, reg=(20.0, 5.0)).fit(X, Y)
    x, y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    left, right = x.T @ x + 20 * np.eye(6), y.T @ y + 5 * np.eye(5)
    cross = x.T @ y
    squares, vectors = np.linalg.eig(np.linalg.solve(left, cross @ np.linalg.solve(right, cross.T)))
    for i, at in enumerate(np.argsort(-squares.real)[:3]):
        a = vectors[:, at].real
        mine = model.x_weights_[:, i]
        assert abs(a @ mine) / np.linalg.norm(a) / np.linalg.norm(mine) == pytest.approx(1, abs=1e-8)
    shrunk, free = CCA(1, reg=1e9).fit(X, Y), CCA(1).fit(X, Y)
    assert shrunk.correlations_[0] < free.correlations_[0]


def test_principal_components_first() -> None:
    X, Y = related(8, 300, 10, 8)
    centred = X - X.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    keep = int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), 0.9) + 1)
    assert quiet(CCA(50, pca=0.9), X, Y).x_rank_ == keep and quiet(CCA(50, pca=3), X, Y).x_rank_ == 3
    both = quiet(CCA(50, pca=3), X, Y)
    v = np.linalg.svd(Y - Y.mean(axis=0), full_matrices=False)[0][:, :3]
    np.testing.assert_allclose(both.correlations_, np.linalg.svd(u[:, :3].T @ v, compute_uv=False), atol=ATOL)


def test_held_out_correlations_tell_chance_from_more() -> None:
    X, Y = related(9, 600, 30, 30, shared=1)
    found = held_out_correlations(CCA(5), X, Y, segments=[30] * 20, cv=4)
    assert found.shape == (4, 5) and (found[:, 0] > 0.7).all() and np.abs(found[:, 1:].mean(axis=0)).max() < 0.2
    assert CCA(5).fit(X, Y).correlations_[4] > 0.2  # in the rows fitted chance looks like more


def test_the_grid_is_every_pair(tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    a = {f"w{i}": related(i, 90, 6 + i, 3)[0] for i in range(3)}
    b = {f"g{i}": rng.standard_normal((90, 8)) + a["w1"][:, :1] * i for i in range(4)}
    a["flat"] = a["w0"][:, :2]
    calls: list[tuple[int, int]] = []
    loaded: list[str] = []

    def layers(but: str = "") -> dict[str, Any]:
        def load(name: str) -> np.ndarray:
            if name == but:
                raise KeyboardInterrupt
            loaded.append(name)
            return b[name]

        return {name: partial(load, name) for name in b}

    with pytest.raises(KeyboardInterrupt):
        cca_grid(a, layers("g2"), n_components=4, resume=tmp_path)
    found = cca_grid(a, layers(), n_components=4, resume=tmp_path, progress=lambda i, n: calls.append((i, n)))
    assert loaded == ["g0", "g1", "g2", "g3"]
    again = cca_grid(a, layers("g0"), n_components=4, resume=tmp_path)
    np.testing.assert_array_equal(found, again)
    assert found.dims == ("layer_a", "layer_b", "component") and calls[-1] == (4, 4)
    for i in a:
        for j in b:
            expected = quiet(CCA(4), a[i], b[j]).correlations_
            values = found.sel(layer_a=i, layer_b=j).values
            np.testing.assert_allclose(values[: len(expected)], expected, atol=1e-7)
            assert (values[len(expected) :] == 0).all()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"n_components": 0}, "n_components"),
        ({"reg": -1.0}, "reg"),
        ({"rank_tol": 2.0}, "rank_tol"),
        ({"pca": 1.5}, "pca"),
        ({"pca": 0}, "pca"),
    ],
)
def test_bad_parameters(settings: dict[str, object], match: str) -> None:
    X, Y = related(0, 30, 3, 3)
    with pytest.raises(InputError, match=match):
        CCA(**settings).fit(X, Y)  # type: ignore[arg-type]


def test_bad_data() -> None:
    X, Y = related(0, 30, 3, 3)
    for x, y, match in (
        (X, Y[:20], "20 rows"),
        (np.full_like(X, np.nan), Y, "NaN"),
        (np.ones((30, 2)), Y, "X: found features that do not vary"),
        (X, np.full((30, 1), 1e9 + 0.1), "Y: found features that do not vary"),
        (X[:1], Y[:1], "two or more"),
    ):
        with pytest.raises(InputError, match=match):
            CCA(1).fit(x, y)
    with pytest.raises(InputError, match="4 features"):
        CCA(1).fit(X, Y).transform(np.zeros((5, 4)))
    with pytest.raises(InputError, match="part"):
        CCA(1).fit(X, Y).transform(X, part="bottom")
    with pytest.raises(InputError, match=r"spaces_b\['g'\].*20 rows"):
        cca_grid({"w": X}, {"g": Y[:20]})
    with pytest.raises(InputError, match="0 and 1 layers"):
        cca_grid({}, {"g": Y})
    assert clone(CCA(3, pca=0.5)).get_params() == {
        "n_components": 3,
        "reg": 0.0,
        "rank_tol": 1e-10,
        "pca": 0.5,
        "standardize": False,
        "cv": None,
        "device": "auto",
    }


def test_what_all_segments_have_in_common_is_not_a_correlation_of_two_sides() -> None:
    """Segments of unequal length keep their time since onset, and their session."""
    p = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        lengths = rng.integers(20, 40, 40)
        course = np.concatenate([np.exp(-np.arange(length) / 5.0) for length in lengths])[:, None]
        X, Y = (rng.standard_normal((len(course), 4)) + 2 * course for _ in range(2))
        found = permuted_correlations(CCA(1), X, Y, segments=lengths, n_permutations=39, random_state=seed)
        p.append(found.p_values[0])
    assert (np.array(p) <= 0.05).sum() <= 4
    sessions = np.repeat([0, 1], 20)
    Y[: lengths[:20].sum()] += 5.0
    X[: lengths[:20].sum()] += 5.0
    kept, mixed = (
        permuted_correlations(CCA(1), X, Y, segments=lengths, sessions=s, n_permutations=39, random_state=0)
        for s in (sessions, None)
    )
    assert kept.null.min() > mixed.null.max()


@pytest.mark.parametrize("pca", [None, 3])
def test_grid_on_rows_that_nothing_was_fitted_to(pca: int | None) -> None:
    rng = np.random.default_rng(0)
    test = rng.random(200) < 0.3
    latent = rng.standard_normal((200, 2))
    a, b = (
        {f"{side}{i}": latent @ rng.standard_normal((2, d)) + i + rng.standard_normal((200, d)) for i in range(2)}
        for side, d in (("a", 5), ("b", 4))
    )
    found = cca_grid(a, b, n_components=3, pca=pca, test=test)
    assert found.dims == ("rows", "layer_a", "layer_b", "component")
    for i, X in a.items():
        for j, Y in b.items():
            model = CCA(3, pca=pca).fit(X[~test], Y[~test])
            pair = found.sel(layer_a=i, layer_b=j)
            np.testing.assert_allclose(pair.sel(rows="fitted"), model.correlations_, atol=1e-6)
            x, y = model.transform(X[test], Y[test])
            r = [np.corrcoef(x[:, k], y[:, k])[0, 1] for k in range(3)]
            np.testing.assert_allclose(pair.sel(rows="test"), r, atol=1e-6)
    with pytest.raises(InputError, match="test"):
        cca_grid(a, b, test=np.ones(200, dtype=bool))
    with pytest.raises(InputError, match="10 rows"):
        cca_grid(a, b, test=np.arange(10) < 5)
