"""What a piece of heschl's own code depends on: a key that follows its imports, so that no kept result outlives it."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import threading
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent
_MODULE = re.compile(r"heschl(\.\w+)+")
# CPython up to 3.12 counts the depth of what threads parse at once in one number, and then reports a SystemError.
_PARSING = threading.Lock()


@cache
def code_key(*modules: str) -> str:
    """Hash the sources of modules and of every module of heschl that these import, directly or through others.

    Parameters
    ----------
    *modules : str
        Full names, such as ``heschl.study.analyses.fits.encoding``: usually the ``__module__`` of the function whose
        result is kept.

    Returns
    -------
    str
        16 letters. Python modules count by their text, compiled ones (``heschl._core``) by their content. What other
        packages do has no part in it. Files are read once per process.

    Examples
    --------
    >>> code_key("heschl.checks") == code_key("heschl.checks"), code_key("heschl.checks") == code_key("heschl.files")
    (True, False)
    """
    total = hashlib.blake2b(digest_size=8)
    for name in sorted(frozenset().union(*map(modules_behind, modules))):
        total.update(f"{name}\0".encode() + _content_hash(name))
    return total.hexdigest()


@cache
def modules_behind(module: str) -> frozenset[str]:
    """Name every module of heschl that a module's results depend on, itself among them.

    Imports count wherever they stand: at the top, inside a function, or for type checkers alone (what an annotation
    names is used), and so does the name of a module in a string, as `importlib.import_module` takes it. Where a name
    comes through the ``__init__`` of a package (``from heschl.linear import nested_cv``), the module that defines the
    name counts, not all others that the package hands on.

    Parameters
    ----------
    module : str
        Full name.

    Returns
    -------
    frozenset of str
    """
    if _path(module) is None:
        raise ModuleNotFoundError(f"no module {module!r}")
    found, todo = {module}, [module]
    while todo:
        new = imports_of(todo.pop()) - found
        found |= new
        todo += new
    return frozenset(found)


@cache
def _path(module: str) -> Path | None:
    """Return the file of a module; None where there is no such module."""
    room, *parts = module.split(".")
    if room != "heschl":
        return None
    base = ROOT.joinpath(*parts)
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    if len(parts) != 1:
        return None  # compiled modules lie at the top
    spec = importlib.util.find_spec(module)
    return None if spec is None or spec.origin is None else Path(spec.origin)


@cache
def _content_hash(module: str) -> bytes:
    path = _path(module)
    assert path is not None, "only modules that exist are named"
    return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    text = path.read_text(encoding="utf-8") if path is not None and path.suffix == ".py" else ""
    with _PARSING:
        return ast.parse(text)


@cache
def imports_of(module: str) -> frozenset[str]:
    """Name the modules of heschl that a module imports itself."""
    names: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if _path(alias.name) is not None}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and _path(node.module) is not None:
            names |= {defining_module(node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _MODULE.fullmatch(node.value):
            names |= {node.value} if _path(node.value) is not None else set()
    return frozenset(names - {module})


def defining_module(module: str, name: str) -> str:
    """Name the module that defines what ``from module import name`` gives."""
    path = _path(module)
    if path is None or path.name != "__init__.py":
        return module
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None and _path(node.module) is not None:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return defining_module(node.module, alias.name)
    submodule = f"{module}.{name}"
    return submodule if _path(submodule) is not None else module
