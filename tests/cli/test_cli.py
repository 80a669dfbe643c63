"""The command line: what it says, and with which exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from heschl.checks import InputError
from heschl.cli import app


def say(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_help_teaches() -> None:
    text = say("--help").stdout
    for words in ("heschl demo --out", "heschl init", "heschl plan", "study.toml", "run", "demo", "simulate"):
        assert words in text
    assert "heschl.open_results" in say("run", "--help").stdout
    assert "known truth" in say("demo", "--help").stdout


def test_without_a_command_it_shows_its_help() -> None:
    assert "heschl demo" in say().stdout


def test_an_unknown_command_is_an_error() -> None:
    assert say("rnu").exit_code == 2


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from heschl.cli import app\n"
        "CliRunner().invoke(app, ['--help'])\n"
        "print([m for m in ('torch', 'transformers', 'xarray', 'zarr', 'matplotlib', 'pydantic') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **functions: Any) -> None:
    module = ModuleType(f"heschl.study.{name}")
    for key, value in functions.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize(("found", "code"), [(True, 0), (False, 1)])
def test_demo_exits_by_whether_the_truth_was_found(monkeypatch: pytest.MonkeyPatch, found: bool, code: int) -> None:
    asked = []

    def run_demo(out: Path, *, seed: int = 0, console: object) -> bool:
        asked.append((out, seed))
        return found

    stand_in(monkeypatch, "demo", run_demo=run_demo)
    assert say("demo", "--out", "there", "--seed", "4").exit_code == code
    assert asked == [(Path("there"), 4)]


def test_simulate_says_what_comes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "simulate", simulate_cohort=lambda out, *, seed: out / "study.toml")
    assert "heschl run there/study.toml" in say("simulate", "--out", "there").stdout


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("[x].y", "1", "2", "Do."), 2, "error: [x].y: found 1; expected 2. Do."),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_are_messages(monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str) -> None:
    def run_demo(out: Path, *, seed: int, console: object) -> bool:
        raise error

    stand_in(monkeypatch, "demo", run_demo=run_demo)
    result = say("demo", "--out", "there")
    assert result.exit_code == code
    assert said in result.stderr and "Traceback" not in result.stderr


def test_version() -> None:
    from heschl import __version__

    assert say("--version").stdout.strip() == f"heschl {__version__}"


def test_traceback_and_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_demo(out: Path, *, seed: int, console: Any) -> bool:
        console.print("at work")
        raise InputError("[x].y", "1", "2", "Do.")

    stand_in(monkeypatch, "demo", run_demo=run_demo)
    assert isinstance(say("--traceback", "demo", "--out", "there").exception, InputError)
    quiet = say("--quiet", "demo", "--out", "there")
    assert "at work" not in quiet.stdout and "expected 2" in quiet.stderr
    assert "at work" in say("demo", "--out", "there").stdout


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/there"), "/there: no permission"),
        (OSError(28, "No space left on device", "/there"), "no space left for /there"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "pip install 'heschl[study]'"),
        (MemoryError("9 GB"), "heschl plan"),
    ],
)
def test_what_the_machine_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, said: str) -> None:
    def run_demo(out: Path, *, seed: int, console: Any) -> bool:
        raise error

    stand_in(monkeypatch, "demo", run_demo=run_demo)
    result = say("demo", "--out", "there")
    assert result.exit_code == 2 and said in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_a_core_install_says_which_extra_it_needs(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('No module named \\'typer\\'', name='typer')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['heschl', '--help']\n"
    code += "from heschl.__main__ import main; main()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 2 and "Traceback" not in found.stderr
    assert "'typer'" in found.stderr and "heschl[study]" in found.stderr


def test_the_package_shows_its_public_names_alone() -> None:
    import heschl

    assert set(dir(heschl)) == {*heschl.__all__, "open_results"}
    assert all(hasattr(heschl, name) for name in dir(heschl))
