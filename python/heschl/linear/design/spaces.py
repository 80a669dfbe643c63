"""Features as they are given beyond one dense matrix: a row for each word, and several spaces side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.checks import InputError, check_matrix
from heschl.linear.device.arrays import Float


class Repeated:
    """Word-rate features: row i of `values` lasts for `counts[i]` frames.

    Stands wherever a feature matrix may, without being expanded: X'X of word-rate features costs operations by the
    word, not by the frame. Silence is one more row of zeros.

    Parameters
    ----------
    values : array-like of shape (n_words, n_features)
    counts : array-like of shape (n_words,)
        Frames of each row, at least 1. A run may span segments; it is cut there.

    Raises
    ------
    InputError
        For counts that do not fit.

    Examples
    --------
    >>> from heschl import Repeated
    >>> words = Repeated([[1.0, 2.0], [0.0, 0.0]], counts=[3, 2])
    >>> words.shape
    (5, 2)
    >>> words.expand()[:, 1]
    array([2., 2., 2., 0., 0.])
    """

    def __init__(self, values: ArrayLike, counts: ArrayLike) -> None:
        self.values = check_matrix("values", values)
        frames = np.asarray(counts)
        if frames.shape != (len(self.values),) or frames.dtype.kind not in "iu":
            raise InputError(
                "counts", f"an array of shape {frames.shape} and type {frames.dtype}",
                f"{len(self.values)} whole numbers of frames, one for each row of values",
            )  # fmt: skip
        if (frames < 1).any():
            at = int(np.argmax(frames < 1))
            raise InputError(
                "counts", f"{frames[at]} at position {at}", "at least one frame", "Leave rows of no frame out."
            )
        self.counts = frames.astype(np.int64)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_frames, n_features), as expanded."""
        return int(self.counts.sum()), self.values.shape[1]

    @property
    def ndim(self) -> int:
        """2, as of any feature matrix."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.values.dtype

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.shape[0]

    @cached_property
    def run(self) -> NDArray[np.int64]:
        """Row of `values` for each frame, (n_frames,)."""
        return np.repeat(np.arange(len(self.counts), dtype=np.int64), self.counts)

    def average(self, X: ArrayLike) -> Float:
        """Average a frame-rate matrix over the frames of each run: from frames to words.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_columns)

        Returns
        -------
        ndarray of shape (n_words, n_columns)
            Summed in float64, in the precision of X.

        Examples
        --------
        >>> from heschl import Repeated
        >>> Repeated([[0.0], [0.0]], counts=[3, 2]).average([[1.0], [2.0], [3.0], [5.0], [6.0]])
        array([[2. ],
               [5.5]])
        """
        frames = check_matrix("X", X)
        if len(frames) != len(self):
            raise InputError("X", f"{len(frames)} frames", f"{len(self)}, the sum of the counts")
        starts = np.cumsum(self.counts) - self.counts
        sums = np.add.reduceat(frames, starts, axis=0, dtype=np.float64)
        return np.asarray((sums / self.counts[:, None]).astype(frames.dtype))

    def expand(self) -> Float:
        """Return the feature matrix (n_frames, n_features) that this stands for."""
        return np.asarray(self.values[self.run])


class FeatureSpaces(Mapping[str, Any]):
    """Named feature spaces side by side: dense or `Repeated`, of equally many frames; columns in the order given.

    Parameters
    ----------
    spaces : mapping of str to array-like of shape (n_frames, d) or Repeated

    Attributes
    ----------
    columns : dict of str to slice
        Columns of each space.

    Raises
    ------
    InputError
        For no space, or spaces of different numbers of frames.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl import FeatureSpaces, Repeated
    >>> spaces = FeatureSpaces({"mel": np.zeros((5, 2)), "words": Repeated([[1.0], [0.0]], [3, 2])})
    >>> spaces.shape, spaces.columns["words"]
    ((5, 3), slice(2, 3, None))
    """

    def __init__(self, spaces: Mapping[str, Any]) -> None:
        if not spaces:
            raise InputError("spaces", "none", "at least one feature space")
        self._spaces = {
            str(name): space if isinstance(space, Repeated) else check_matrix(f"spaces[{name!r}]", space)
            for name, space in spaces.items()
        }
        sizes = {name: len(space) for name, space in self._spaces.items()}
        if len(set(sizes.values())) > 1:
            raise InputError("spaces", f"frames {sizes}", "equally many frames in every space")
        ends = np.cumsum([space.shape[1] for space in self._spaces.values()]).tolist()
        self.columns = {
            name: slice(end - space.shape[1], end)
            for end, (name, space) in zip(ends, self._spaces.items(), strict=True)
        }
        self.shape = (next(iter(sizes.values())), ends[-1])
        self.ndim = 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 where every space is, else float64."""
        return np.result_type(*(space.dtype for space in self._spaces.values()))

    def __getitem__(self, name: str) -> Any:
        """Return one space."""
        return self._spaces[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._spaces)

    def __len__(self) -> int:
        """Return the number of spaces (frames are `shape[0]`)."""
        return len(self._spaces)
