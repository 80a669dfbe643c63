"""Every check of an argument, and its message: one place, one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

MAX_COLUMNS = 500_000
# More lags than these, over more than so many seconds, are milliseconds that were taken for seconds.
MANY_LAGS, LONG_LAG_S = 1_000, 10.0


class InputError(ValueError):
    """One bad input, named so that a reader can mend it.

    Parameters
    ----------
    argument : str
        The argument, file (and line), electrode or key at fault.
    found : str
        What was there.
    expected : str
        What should have been there.
    advice : str
        What to do about it, a whole sentence, or nothing.

    Examples
    --------
    >>> from heschl import InputError, LaggedRidge
    >>> try:
    ...     LaggedRidge(lags=[0, 2, 4]).fit([[1.0], [2.0]], [1.0, 2.0])
    ... except InputError as error:
    ...     print(error.argument, "|", error.expected, "|", error.advice)
    lags | consecutive ascending lags | Use range(0, 5).
    """

    def __init__(self, argument: str, found: str, expected: str, advice: str = "") -> None:
        super().__init__(f"{argument}: found {found}; expected {expected}." + (f" {advice}" if advice else ""))
        self.argument = argument
        self.found = found
        self.expected = expected
        self.advice = advice

    def __reduce__(self) -> tuple[Any, tuple[type[InputError], tuple[Any, ...], dict[str, Any]]]:
        """Pickle by what it holds, so that an error crosses a process boundary whole, whatever its class is made of."""
        return _remade, (type(self), self.args, vars(self))


def _remade(cls: type[InputError], args: tuple[Any, ...], state: dict[str, Any]) -> InputError:
    error = cls.__new__(cls, *args)
    vars(error).update(state)
    return error


def _describe(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class InputTypeError(InputError, TypeError):
    """A bad input of a type that no value could mend."""


def check_matrix(name: str, value: Any, dtype: DTypeLike | None = None, *, allow_nan: bool = False) -> NDArray[Any]:
    """2-D float32 or float64 array with contiguous rows, without a copy where it already is one.

    Other numeric types become float64, or `dtype` where one is asked for; infinities are refused, and NaN unless
    allowed. A tensor is read through DLPack.
    """
    array = as_array(name, value)
    if array.ndim != 2:
        raise InputError(
            name,
            f"an array of shape {array.shape}",
            "a 2-D array (frames, columns)",
            "Reshape your data: x.reshape(-1, 1) for a single column." if array.ndim == 1 else "",
        )
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise InputError(
            name, f"an empty array with {array.shape[1]} feature(s) (shape={array.shape})",
            "at least one frame and one column", "" if array.shape[1] else "A minimum of 1 is required: "
            f"0 feature(s) (shape={array.shape}) while a minimum of 1 is required.",
        )  # fmt: skip
    array = as_float(name, array, dtype)
    check_finite(name, array, allow_nan)
    if not array.flags.aligned or not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    rows_ok = array.strides[1] == array.itemsize and array.strides[0] >= array.shape[1] * array.itemsize
    return array if rows_ok and array.strides[0] % array.itemsize == 0 else np.ascontiguousarray(array)


def as_array(name: str, value: Any) -> NDArray[Any]:
    """Anything array-like as an array; a tensor on the CPU by DLPack, without a copy."""
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.getmaskarray(value).any():
            raise InputError(
                name, "a masked array with masked values", "plain values",
                "For missing responses use value.filled(np.nan) and missing='mask'.",
            )  # fmt: skip
        return np.asarray(value.data)
    if type(value).__module__.startswith("scipy.sparse"):
        raise InputTypeError(
            name, "a sparse matrix", "a dense array (sparse input is not supported)", "Use x.toarray()."
        )
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__"):
        try:
            on_cpu = value.__dlpack_device__()[0] in (1, 3)  # memory of the CPU, pinned or not
        except (ValueError, RuntimeError):
            on_cpu = False
        if not on_cpu:
            raise InputError(name, "a tensor on another device than the CPU", "a CPU tensor", "Use x.cpu().")
        try:
            return np.from_dlpack(value.detach() if hasattr(value, "detach") else value)
        except (BufferError, RuntimeError, TypeError) as error:
            raise InputTypeError(name, f"a tensor that NumPy cannot read ({error})", "float32 or float64") from None
    if hasattr(value, "to_numpy") and hasattr(value, "columns") and all(t.kind in "fiub" for t in value.dtypes):
        return np.asarray(value.to_numpy(dtype=None if all(isinstance(t, np.dtype) for t in value.dtypes)
                                         else np.float64, na_value=np.nan))  # fmt: skip
    return np.asarray(value)


def as_float(name: str, array: NDArray[Any], dtype: DTypeLike | None) -> NDArray[Any]:
    """`array` as float32 or float64: as it is, as asked, or float64 for other real numbers."""
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            kind = InputTypeError if isinstance(error, TypeError) else InputError
            raise kind(name, f"objects that are no numbers ({error})", "real numbers (float32 or float64)") from None
    if array.dtype.kind == "c":
        raise InputError(name, f"values of type {array.dtype}", "real numbers. Complex data not supported")
    if array.dtype.kind not in "fiub":
        raise InputError(name, f"values of type {array.dtype}", "real numbers (float32 or float64)")
    if dtype is None:
        dtype = array.dtype if array.dtype.type in (np.float32, np.float64) else np.float64
    return array.astype(dtype, copy=False)


def check_finite(name: str, array: NDArray[Any], allow_nan: bool = False) -> None:
    """Refuse infinities, and NaN unless allowed; name the first column that holds one."""
    if np.isfinite(array.sum(dtype=np.float64)) or np.isfinite(array).all():
        return
    bad = np.isinf(array) if allow_nan else ~np.isfinite(array)
    if not bad.any():
        return
    row, column = np.argwhere(bad)[0]
    raise InputError(
        name,
        f"{'infinity' if allow_nan else 'NaN or infinity'} in {int(bad.sum())} places, the first in row {row}, "
        f"column {column}",
        "finite values",
        "Drop or interpolate these frames, or leave the column out"
        + (", or use missing='mask' for responses." if name == "y" and not allow_nan else "."),
    )


def check_responses(y: Any, n: int, dtype: DTypeLike, missing: str) -> tuple[NDArray[Any], bool]:
    """Responses (n, c) of the precision given, and whether they came as one column without an axis."""
    if y is None:
        raise InputError("y", "None (requires y to be passed, but the target y is None)", "responses")
    check_choice("missing", missing, ("raise", "mask"))
    array = as_array("y", y)
    single = array.ndim == 1
    if array.ndim > 2 or array.ndim == 0:
        raise InputError("y", f"an array of shape {array.shape}", "(frames,) or (frames, targets)")
    check_same_length("y", len(array), n, "X")
    column = array.reshape(-1, 1) if single else array
    responses = check_matrix("y", column, dtype, allow_nan=missing == "mask")
    if missing == "mask" and np.isnan(responses).all(axis=0).any():
        at = int(np.argmax(np.isnan(responses).all(axis=0)))
        raise InputError("y", f"no known response of target {at}", "at least one", "Leave this target out.")
    return responses, single


def check_labels(name: str, value: Any) -> NDArray[Any]:
    """Labels that can be compared: numbers or words, not both, none of them missing."""
    labels = np.asarray(value)
    if labels.dtype.kind == "O":
        kinds = {type(label).__name__ for label in labels.reshape(-1).tolist()}
        if len(kinds) != 1 or "NoneType" in kinds:
            raise InputError(
                name, f"labels of types {', '.join(sorted(kinds))}", "labels of one type", "Name them all."
            )
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise InputError(name, "NaN among the labels", "a label for every row")
    return labels


def check_lags(
    lags: Sequence[int] | NDArray[Any], tmin: float | None, tmax: float | None, sfreq: float | None
) -> range:
    """Consecutive lags in frames, from a list of frames or from tmin ... tmax (s, both included) at sfreq (Hz)."""
    given = [name for name, value in (("tmin", tmin), ("tmax", tmax), ("sfreq", sfreq)) if value is not None]
    if given:
        if tmin is None or tmax is None or sfreq is None:
            raise InputError("tmin, tmax, sfreq", f"only {', '.join(given)}", "all three, or none and `lags` instead")
        if not (np.isfinite(sfreq) and sfreq > 0):
            raise InputError("sfreq", _describe(sfreq), "a sampling rate above 0 Hz")
        if not (np.isfinite(tmin) and np.isfinite(tmax) and tmin <= tmax):
            raise InputError("tmin, tmax", f"{tmin}, {tmax}", "finite seconds with tmin <= tmax")
        if max(abs(tmin), abs(tmax)) * sfreq >= 2**31:
            raise InputError(
                "tmin, tmax", f"{tmin}, {tmax} at {sfreq:g} Hz", "lags below 2**31 frames", "They are in seconds."
            )
        found = range(round(tmin * sfreq), round(tmax * sfreq) + 1)
        if len(found) > MANY_LAGS and max(abs(tmin), abs(tmax)) > LONG_LAG_S:
            raise InputError(
                "tmin, tmax", f"{tmin:g} to {tmax:g} s, {len(found):,} lags at {sfreq:g} Hz",
                f"seconds; lags of at most {LONG_LAG_S:g} s, or {MANY_LAGS:,} of them",
                f"If these are milliseconds: tmin={tmin / 1e3:g}, tmax={tmax / 1e3:g}. So many lags on purpose: "
                f"lags=range({found[0]}, {found[-1] + 1}).",
            )  # fmt: skip
        return found
    if isinstance(lags, (int, np.integer)):
        raise InputError("lags", _describe(lags), "a sequence of lags in frames", f"For w lags use range(0, {lags}).")
    if isinstance(lags, range) and lags.step == 1 and lags and max(abs(lags[0]), abs(lags[-1])) < 2**31:
        return lags  # never expanded: an absurd one must fail by its size, not by filling the memory
    if isinstance(lags, range) and lags and max(abs(lags[0]), abs(lags[-1])) >= 2**31:
        raise InputError("lags", _describe(lags), "lags below 2**31 frames")
    values = np.asarray(lags)
    if values.ndim != 1 or values.size == 0 or values.dtype.kind not in "iuf" or (values != np.floor(values)).any():
        raise InputError("lags", _describe(lags), "a non-empty sequence of whole numbers of frames")
    if np.abs(values).max() > 2**31:
        raise InputError("lags", _describe(lags), "lags below 2**31 frames")
    first, last = int(values[0]), int(values[-1])
    if not np.array_equal(values, np.arange(first, last + 1)):
        raise InputError("lags", _describe(lags), "consecutive ascending lags", f"Use range({first}, {last + 1}).")
    return range(first, last + 1)


def check_design_size(n_lags: int, n_features: int) -> None:
    """Refuse a design whose normal equations no 32-bit BLAS (nor any memory) could hold."""
    if n_lags * n_features > MAX_COLUMNS:
        raise InputError(
            "lags and X",
            f"{n_lags} lags x {n_features} features = {n_lags * n_features} columns",
            f"at most {MAX_COLUMNS} columns of the lagged design (X'X would take a terabyte)",
            "Use fewer lags or features.",
        )


def check_alphas(alphas: ArrayLike, *, unique: bool = True) -> NDArray[np.float64]:
    """Ridge penalties: positive, finite, at least one, as a grid no value twice."""
    try:
        values = np.atleast_1d(np.asarray(alphas, dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError("alphas", _describe(alphas), "a list of penalties (numbers above 0)") from None
    if values.ndim != 1 or values.size == 0:
        raise InputError("alphas", f"an array of shape {values.shape}", "a non-empty list of penalties")
    bad = values[~(np.isfinite(values) & (values > 0))]
    if bad.size:
        raise InputError("alphas", _describe(float(bad[0])), "finite penalties above 0")
    if unique and np.unique(values).size != values.size:
        raise InputError("alphas", _describe(alphas), "each penalty once")
    return values


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """One of a few words."""
    if value not in choices:
        raise InputError(name, _describe(value), " or ".join(repr(choice) for choice in choices))


def check_same_length(name: str, found: int, expected: int, of: str) -> None:
    """As many entries as rows."""
    advice = {
        "y": "Are features and responses at one rate? heschl.timing.resample.resample brings them to one.",
        "groups": "One label for each segment? np.repeat(groups, lengths) has one for each row.",
    }
    if found != expected:
        raise InputError(name, f"{found} entries", f"{expected}, one for each row of {of}", advice.get(name, ""))


def check_count(name: str, value: object, least: int) -> None:
    """Refuse what is not a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(name, repr(value), f"a whole number of at least {least}")


def check_tolerance(tol: object) -> None:
    """Refuse what is neither None nor a number between 0 and 1."""
    if tol is None:
        return
    if isinstance(tol, bool) or not isinstance(tol, (int, float, np.integer, np.floating)) or not 0.0 < tol < 1.0:
        raise InputError("tol", repr(tol), "a number between 0 and 1, or None")
