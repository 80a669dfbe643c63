"""LaggedMoments as an object: sums, differences, selections, chunks and files say what a direct pass would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from heschl import InputError
from heschl.linear import LaggedMoments
from heschl.linear.moments.storage import ARRAYS
from heschl.linear.ridge.normal import PrecisionError, normal_equations
from heschl.seals import seal
from linear.problems import Ragged, make, ragged
from tolerances import KERNEL, worst

boundaries = st.sampled_from(["zero", "drop", "cross"])
FIELDS = ("first_column", "pair_sums", "pair_counts", "cross", "target_sums", "totals", "feature_sums")


def of(problem: Ragged, segments: slice = slice(None), boundary: str = "zero") -> LaggedMoments:
    """Moments of some of the segments, of arrays that hold nothing else."""
    bounds = problem.bounds[segments]
    rows = np.concatenate([np.arange(begin, end) for begin, end in bounds])
    return LaggedMoments.from_data(
        problem.H[rows], problem.Y[rows], segments=problem.lengths[segments], lags=problem.lags, boundary=boundary
    )


def assert_same(found: LaggedMoments, expected: LaggedMoments, factor: float = 1.0) -> None:
    """The same moments, whatever constants were subtracted while summing."""
    found = found._like(expected)
    assert (found.n_rows, found.n_frames, found.lags) == (expected.n_rows, expected.n_frames, expected.lags)
    dtype = str(expected.first_column.dtype)
    size = max(1.0, *(float(np.abs(getattr(expected, field)).max(initial=0.0)) for field in FIELDS))
    for field in FIELDS:
        difference = worst(getattr(found, field), getattr(expected, field), size)
        assert difference < factor * KERNEL[dtype], (field, difference)
    if found.n_rows == 0:
        return
    try:
        grams = [np.tril(normal_equations(moments).gram) for moments in (found, expected)]
    except PrecisionError:
        return
    assert worst(*grams, size) < 10 * factor * KERNEL[dtype]
    np.testing.assert_array_equal(np.sort(found.extremes, axis=0), np.sort(expected.extremes, axis=0))


@given(ragged(min_segments=2), st.sampled_from(["zero", "drop"]), st.integers(1, 8))
def test_moments_add_up(problem: Ragged, boundary: str, cut: int) -> None:
    cut = min(cut, len(problem.lengths) - 1)
    left, right = of(problem, slice(cut), boundary), of(problem, slice(cut, None), boundary)
    assert_same(left + right, of(problem, boundary=boundary))


@given(ragged(min_segments=2), st.sampled_from(["zero", "drop"]), st.integers(1, 8))
def test_the_whole_less_a_fold_is_the_rest(problem: Ragged, boundary: str, cut: int) -> None:
    cut = min(cut, len(problem.lengths) - 1)
    whole, fold = of(problem, boundary=boundary), of(problem, slice(cut), boundary)
    assert_same(whole - fold, of(problem, slice(cut, None), boundary), factor=10)


@given(ragged(), boundaries, st.data())
def test_a_selection_is_what_a_direct_pass_gives(problem: Ragged, boundary: str, data: st.DataObject) -> None:
    w, d, c = len(problem.lags), problem.H.shape[1], problem.Y.shape[1]
    first = data.draw(st.integers(0, w - 1))
    lags = problem.lags[first : data.draw(st.integers(first + 1, w))]
    f = data.draw(st.lists(st.integers(0, d - 1), min_size=1, unique=True))
    t = data.draw(st.lists(st.integers(0, c - 1), min_size=1, unique=True))
    found = of(problem, boundary=boundary).select(features=f, lags=lags, targets=t)
    expected = of(Ragged(problem.H[:, f], problem.Y[:, t], problem.lengths, lags), boundary=boundary)
    assert_same(found, expected, factor=10)
    if len(lags) > 1:  # and again, of the selection
        fewer = Ragged(problem.H[:, f[:1]], problem.Y[:, t], problem.lengths, lags[1:])
        assert_same(found.select(features=[0], lags=lags[1:]), of(fewer, boundary=boundary), factor=10)


def test_drop_keeps_the_rows_that_narrower_lags_keep() -> None:
    """Segments longer than both margins, shorter than both, shorter than the window."""
    problem = make(4, [50, 12, 9, 3, 1, 30], 3, 2, range(-3, 6))
    whole = of(problem, boundary="drop")
    for lags in (range(0, 3), range(-3, 1), range(2, 6), range(-1, 1), range(5, 6)):
        expected = of(Ragged(problem.H, problem.Y, problem.lengths, lags), boundary="drop")
        assert expected.n_rows > whole.n_rows
        assert_same(whole.select(lags=lags), expected)


@given(ragged(min_segments=2), boundaries)
def test_a_file_gives_back_what_was_saved(
    tmp_path_factory: pytest.TempPathFactory, problem: Ragged, boundary: str
) -> None:
    path = tmp_path_factory.mktemp("moments") / "moments.npz"
    moments = of(problem, boundary=boundary)
    moments.save(path)
    found = LaggedMoments.load(path)
    assert_same(found, moments)
    assert (found.ids == moments.ids).all() and found.boundary == boundary
    assert [file.name for file in path.parent.iterdir()] == ["moments.npz"]
    if boundary != "cross":
        assert_same(found - of(problem, slice(1), boundary), of(problem, slice(1, None), boundary), factor=10)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    (tmp_path / "b.npz").write_text("not an archive")
    (tmp_path / "empty.npz").write_bytes(b"")
    for name in ("a.npz", "b.npz", "empty.npz", "none.npz"):
        with pytest.raises(InputError, match=name):
            LaggedMoments.load(tmp_path / name)


def test_any_changed_bit_of_a_file_is_found(tmp_path: Path) -> None:
    path, rng = tmp_path / "moments.npz", np.random.default_rng(0)
    of(make(3, [9, 4], 2, 1, range(2))).save(path)
    whole = path.read_bytes()
    for at in rng.choice(len(whole), 200, replace=False):
        changed = bytearray(whole)
        changed[at] ^= 1 << rng.integers(8)
        for content in (bytes(changed), whole[:at]):
            path.write_bytes(content)
            with pytest.raises(InputError, match=r"changed since.*gather these moments again"):
                LaggedMoments.load(path)


@pytest.mark.parametrize("name", [*ARRAYS, "counts", "boundary", "feature_shift", "margin_X", "margin_size"])
def test_a_file_made_with_care_to_look_whole(tmp_path: Path, name: str) -> None:
    """Its checksum fits; its arrays do not fit each other."""
    path = tmp_path / "moments.npz"
    of(make(3, [9, 4], 2, 1, range(2)), boundary="drop").save(path)
    with np.load(path) as file:
        arrays = dict(file)
    as_complex = arrays[name].astype(complex) if arrays[name].dtype.kind in "fi" else None
    for wrong in (arrays[name][..., None], as_complex, None, arrays[name].astype(object)):
        changed = {**arrays, name: wrong} if wrong is not None else {k: v for k, v in arrays.items() if k != name}
        np.savez(path, **changed)
        seal(path)
        if wrong is None and name == "margin_X":
            continue
        with pytest.raises(InputError, match=r"moments\.npz"):
            LaggedMoments.load(path)


def test_streaming(tmp_path: Path) -> None:
    """Recordings one after another, memory-mapped and zarr, in chunks of whole segments."""
    zarr = pytest.importorskip("zarr")
    problem = make(7, [40, 3, 25, 60, 1, 33] * 5, 4, 2, range(-1, 4))
    expected = of(problem)
    streamed = of(problem, slice(2))
    for start in range(2, len(problem.lengths), 7):
        bounds = problem.bounds[start : start + 7]
        rows = slice(bounds[0, 0], bounds[-1, 1])
        streamed.update(problem.H[rows], problem.Y[rows], segments=problem.lengths[start : start + 7])
    assert_same(streamed, expected)

    np.save(tmp_path / "H.npy", problem.H)
    on_disk = np.load(tmp_path / "H.npy", mmap_mode="r")
    stored = zarr.create_array(str(tmp_path / "H.zarr"), data=problem.H, chunks=(50, 4))
    for X in (on_disk, stored):
        for limit in (1, 50 * 4 * 8, 1 << 30):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("heschl.linear.design.chunks.CHUNK_BYTES", limit)
                found = LaggedMoments.from_data(X, problem.Y, segments=problem.lengths, lags=problem.lags)
            assert_same(found, expected)
    crossing = LaggedMoments.from_data(stored, problem.Y, segments=problem.lengths, lags=problem.lags, boundary="cross")
    assert_same(crossing, of(problem, boundary="cross"))


def test_features_without_responses() -> None:
    problem = make(0, [30, 20], 3, 2, range(0, 4))
    found = LaggedMoments.from_data(problem.H, segments=problem.lengths, lags=problem.lags)
    assert found.cross.shape == (12, 0)
    both = of(problem)
    assert worst(normal_equations(found).gram[-1], normal_equations(both).gram[-1]) < KERNEL["float64"]


def test_moments_that_do_not_belong_together_are_refused() -> None:
    problem = make(0, [30, 20, 10], 3, 2, range(0, 4))
    moments = of(problem)
    with pytest.raises(InputError, match="taken out"):
        of(problem, slice(2)) - of(problem, slice(2, None))
    for other in (
        of(Ragged(problem.H, problem.Y, problem.lengths, range(1, 5))),
        of(problem, boundary="drop"),
        moments.select(features=[0]),
    ):
        with pytest.raises(InputError, match="lags, boundary"):
            moments + other
    with pytest.raises(InputError, match="lags"):
        moments.select(lags=range(2, 9))
    with pytest.raises(InputError, match="features"):
        moments.select(features=[7])
    with pytest.raises(InputError, match="twice"):
        moments.select(targets=[0, 0])
    with pytest.raises(InputError, match="ids"):
        LaggedMoments.from_data(problem.H, segments=problem.lengths, lags=[0], ids=["a"])
    with pytest.raises(InputError, match="boundary"):
        of(problem, boundary="wrap")


def test_named_segments_and_repeats() -> None:
    """Equal segments are as many as they are; names are the caller's where given."""
    problem = make(0, [20, 20, 20], 2, 1, range(0, 3))
    problem.H[20:40], problem.Y[20:40] = problem.H[:20], problem.Y[:20]
    rest = of(problem) - of(problem, slice(1))
    assert_same(rest, of(problem, slice(1, None)), factor=10)
    assert_same(rest - of(problem, slice(1)), of(problem, slice(2, None)), factor=10)
    with pytest.raises(InputError, match="taken out"):
        rest - of(problem, slice(1)) - of(problem, slice(1))
    named = LaggedMoments.from_data(problem.H, segments=[20] * 3, lags=[0], ids=["a", "b", "c"])
    one = LaggedMoments.from_data(problem.H[20:40], lags=[0], ids=["b"])
    assert (named - one).ids.tolist() == ["a", "c"]


@given(ragged(min_segments=3), boundaries)
def test_folds_in_one_pass(problem: Ragged, boundary: str) -> None:
    fold = np.arange(len(problem.lengths)) % 3
    parts = LaggedMoments.by_fold(
        problem.H, problem.Y, segments=problem.lengths, folds=fold, lags=problem.lags, boundary=boundary
    )
    assert_same(LaggedMoments.total(parts), of(problem, boundary=boundary))
    if boundary != "cross":
        assert_same(parts[1], of(problem, slice(1, None, 3), boundary))


def test_parts_are_not_changed_by_sums() -> None:
    problem = make(3, [20, 30, 25], 2, 2, range(-1, 3))
    parts = [of(problem, slice(s, s + 1)) for s in range(3)]
    before = [part.first_column.copy() for part in parts]
    LaggedMoments.total(parts)
    (parts[0] + parts[1]) - parts[1]
    for part, kept in zip(parts, before, strict=True):
        np.testing.assert_array_equal(part.first_column, kept)


@given(ragged())
def test_one_frame_more_or_less(problem: Ragged) -> None:
    """An added segment of one frame adds that frame's products and nothing else."""
    if problem.name == "float32":
        reject()
    single = make(9, [1], problem.H.shape[1], problem.Y.shape[1], problem.lags)
    single.H, single.Y = single.H.astype(problem.name), single.Y.astype(problem.name)
    joined = of(problem) + of(single)
    lengths = np.append(problem.lengths, 1)
    direct = Ragged(np.vstack([problem.H, single.H]), np.vstack([problem.Y, single.Y]), lengths, problem.lags)
    assert_same(joined, of(direct))
