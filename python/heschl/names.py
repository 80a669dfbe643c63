"""Names of stimuli, sounds and electrodes: one spelling, whatever kind of file they come from.

A file system, a table, a MATLAB cell and an HDF5 attribute write the same name in different ways: as bytes, with
accents as letters of their own (Unicode NFD, as on a Mac), padded with blanks, with a sound's suffix. Readers bring
names to one form with `plain_name`, so that equal names are equal strings; `name_hint` says which known name an
unknown one may have meant.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from heschl.checks import InputError

if TYPE_CHECKING:
    import pandas as pd

SOUND_SUFFIXES = (
    ".wav", ".flac", ".sph", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".aifc", ".au", ".w64", ".rf64", ".caf",
)  # fmt: skip
"""What a file of sound ends in; a name of a stimulus is the same with or without it."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet takes for a formula."""


def plain_name(value: object, where: str = "name") -> str:
    r"""Return a name as text in the one form in which names are compared.

    Parameters
    ----------
    value : str or bytes
        The name as a file holds it; bytes are read as UTF-8. NumPy's ``str_`` and ``bytes_`` are welcome.
    where : str
        The file and place, for the message.

    Returns
    -------
    str
        In Unicode's composed form (NFC), without blanks and NUL characters around it. It may be empty.

    Raises
    ------
    InputError
        For bytes that are not UTF-8, and for a value that is neither text nor bytes.

    Examples
    --------
    >>> plain_name(b"G1\x00\x00"), plain_name(" cafe\u0301 ") == "caf\u00e9"
    ('G1', True)
    """
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            raise InputError(where, f"the bytes {value[:40]!r}", "a name in UTF-8") from None
    if not isinstance(value, str):
        raise InputError(where, f"{str(value)[:40]!r} of type {type(value).__name__}", "a name (text)")
    return unicodedata.normalize("NFC", value).strip("\0 \t\r\n\v\f\u00a0\ufeff")


def plain_names(values: Any, where: str = "names") -> tuple[str, ...]:
    """Return a list of names, each as `plain_name` returns it.

    Parameters
    ----------
    values : sequence or (n,) array of str or bytes
        The names.
    where : str
        The file and place, for the message.

    Returns
    -------
    tuple of str
        One for each of `values`, in their order.

    Raises
    ------
    InputError
        For an array of another shape, and for an entry that is not a name.

    Examples
    --------
    >>> plain_names(np.array([b"G1", b"G2"]))
    ('G1', 'G2')
    """
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise InputError(where, f"an array of shape {values.shape}", "a list of names, (n,)")
        values = values.tolist()
    elif isinstance(values, str | bytes):
        raise InputError(where, f"one name, {plain_name(values, where)!r}", "a list of names")
    return tuple(plain_name(value, f"{where}[{i}]") for i, value in enumerate(values))


def stimulus_name(value: object, where: str = "stimulus") -> str:
    """Return the name of a stimulus: that of its sound, without the suffix of a sound file.

    Parameters
    ----------
    value : str or bytes
        As in a table or an array, such as "story_1.wav" or "story_1".
    where : str
        The file and place, for the message.

    Returns
    -------
    str
        See `plain_name`. A dot that does not begin one of `SOUND_SUFFIXES` belongs to the name.

    Raises
    ------
    InputError
        See `plain_name`.

    Examples
    --------
    >>> stimulus_name("story_1.WAV"), stimulus_name(b"part.2"), stimulus_name(".wav")
    ('story_1', 'part.2', '.wav')
    """
    name = plain_name(value, where)
    lower = name.lower()
    for suffix in SOUND_SUFFIXES:
        if lower.endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def stimulus_names(values: Any, where: str = "stimuli") -> tuple[str, ...]:
    """Return a list of names of stimuli, each as `stimulus_name` returns it; see `plain_names`.

    Examples
    --------
    >>> stimulus_names(["story_1.wav", "story_2"])
    ('story_1', 'story_2')
    """
    return tuple(stimulus_name(name) for name in plain_names(values, where))


def stim_file_name(value: object, where: str = "stim_file") -> str:
    """Return the stimulus of a cell of BIDS's ``stim_file``, which may be a path from the dataset's root.

    Examples
    --------
    >>> stim_file_name("stimuli/story_1.wav"), stim_file_name("story_1")
    ('story_1', 'story_1')
    """
    return stimulus_name(plain_name(value, where).removeprefix("/").removeprefix("stimuli/"), where)


def plain_cell(value: Any) -> Any:
    """Return a cell of a table so that no spreadsheet takes it for a formula.

    Parameters
    ----------
    value : object
        The cell; what is not text stays as it is.

    Returns
    -------
    object
        Text that begins with ``=``, ``+``, ``-``, ``@`` or a tab behind an apostrophe, which spreadsheets do not show.

    Examples
    --------
    >>> plain_cell("=1+1"), plain_cell("G1-G2"), plain_cell(-0.5)
    ("'=1+1", 'G1-G2', -0.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def plain_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose index and cells of text are as `plain_cell` makes them.

    Examples
    --------
    >>> import pandas as pd
    >>> plain_table(pd.DataFrame({"name": ["=1+1", "G1"], "x": [0.5, -1.0]}))["name"].tolist()
    ["'=1+1", 'G1']
    """
    texts = {str(name): cells.map(plain_cell) for name, cells in table.items() if cells.dtype.kind not in "biuf"}
    return table.assign(**texts).set_axis(table.index.map(plain_cell), axis=0)


def cell_as_meant(text: str) -> str:
    """Return a cell as it was before `plain_cell`.

    Examples
    --------
    >>> cell_as_meant("'-G1"), cell_as_meant("'tis"), cell_as_meant("G'1")
    ('-G1', "'tis", "G'1")
    """
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text


def name_hint(name: str, known: Collection[str]) -> str:
    """Return a sentence that says which known name may have been meant.

    Parameters
    ----------
    name : str
        A name that is not among `known`.
    known : collection of str
        The names that there are.

    Returns
    -------
    str
        What tells the two apart (upper and lower case, a suffix, a folder, a few letters); empty where no known name
        is near.

    Examples
    --------
    >>> name_hint("S1", ["s1", "s2"])
    "There is 's1': upper and lower case count."
    >>> name_hint("stimuli/s1", ["s1", "s2"])
    "There is 's1', without the folder."
    >>> name_hint("s1.aac", ["s1", "s2"])
    "There is 's1', without the suffix."
    >>> name_hint("s 1", ["s1", "s2"])
    "The nearest name is 's1'."
    """
    for differs, key in (
        (": upper and lower case count.", str.casefold),
        (", without the suffix.", lambda text: text.rpartition(".")[0].casefold() or text.casefold()),
        (", without the folder.", lambda text: text.replace("\\", "/").rpartition("/")[2].casefold()),
    ):
        for plain in (str.casefold, key):
            found = next((other for other in known if plain(other) == key(name)), None)
            if found is not None:
                return f"There is {found!r}{differs}"
    near = difflib.get_close_matches(name, known, n=1)
    return f"The nearest name is {near[0]!r}." if near else ""
