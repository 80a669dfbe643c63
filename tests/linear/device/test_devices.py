"""A device is one row: nothing outside device/ knows one by name, and "auto" is one rule."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import heschl
from heschl import CCA, BandedRidgeCV, InputError, LaggedRidge, LaggedRidgeCV, cca_grid
from heschl.linear import (
    exchange_test,
    joined_cv,
    nested_cv,
    nested_cv_learned,
    null_refit,
    null_scores,
    permutation_test,
)
from heschl.linear.device import place
from heschl.linear.device.devices import DEVICES
from heschl.linear.device.host import HOST

LINEAR = Path(heschl.__file__).parent / "linear"
WITH_DEVICE: list[Any] = [
    CCA, BandedRidgeCV, LaggedRidge, LaggedRidgeCV, cca_grid, exchange_test, joined_cv, nested_cv, nested_cv_learned,
    null_refit, null_scores, permutation_test,
]  # fmt: skip


def names_of_devices(path: Path) -> Iterator[str]:
    """Places where a file names a device, in code and not in a docstring, or compares with the host."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in DEVICES and id(node) not in texts:
            yield f"{path.relative_to(LINEAR)}, line {node.lineno}: {node.value!r}"
        if isinstance(node, ast.Compare) and any("HOST" in ast.unparse(side) for side in node.comparators):
            yield f"{path.relative_to(LINEAR)}, line {node.lineno}: {ast.unparse(node)}"


def test_no_device_is_known_by_name_outside_its_room() -> None:
    files = [path for path in LINEAR.rglob("*.py") if path.parent.name != "device"]
    assert len(files) > 50
    assert [place for path in files for place in names_of_devices(path)] == []


@pytest.mark.parametrize("function", WITH_DEVICE, ids=lambda function: function.__name__)
def test_one_default_everywhere(function: Any) -> None:
    assert inspect.signature(function).parameters["device"].default == place.AUTO


def test_auto_takes_what_is_done_first_of_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    operations = {"cpu": 1e12, "cuda": 1e12}
    asked: list[str] = []

    def there(found: bool) -> Any:
        return lambda: asked.append("cuda") or found

    monkeypatch.setattr(place, "measured_rate", lambda kind: kind.rate)  # there is no card to be measured
    kind = DEVICES["cuda"]
    for found, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setitem(DEVICES, "cuda", replace(kind, available=there(found)))  # type: ignore[arg-type]
        assert place.place("auto", operations.__getitem__) == expected
    asked.clear()
    assert place.place("auto", lambda _: 1e9) == "cpu" and not asked  # small work does not even ask
    assert place.place("cpu", lambda _: 1e30) == "cpu" and place.open_device("cpu", lambda _: 1e30) is HOST


def test_an_unknown_device_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"device: found 'tpu'; expected 'auto' or 'cpu' or 'cuda'"):
        place.check_device("tpu")
    with pytest.raises(InputError, match=r"dtype: found 'tf32' with device='auto'.*Or use device=\"cuda\""):
        place.check_device("auto", "tf32")
