"""A core install, played by refusing every other package: each public name works, or names the extra in one line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from heschl.extras import EXTRAS

# Runs every public name's own example where only the core's dependencies can be imported.
TOUCH = """
import doctest, importlib, inspect, io, json, sys
from contextlib import redirect_stdout

BLOCKED = set(json.loads(sys.argv[1]))

class Absent:
    '''Does not find what is blocked, as if it were not installed.'''
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in BLOCKED else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Absent(finder) for finder in sys.meta_path]
import heschl
found = {}
for package in ("heschl", "heschl.linear", "heschl.ecog", "heschl.features", "heschl.timing"):
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        found[package] = str(error)
        continue
    for name in module.__all__:
        out = io.StringIO()
        try:
            value = getattr(module, name)
            runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.FAIL_FAST)
            if not isinstance(value, str):
                for test in doctest.DocTestFinder(recurse=False).find(value, name, module=False, globs={}):
                    runner.run(test, out=out.write)
            text = out.getvalue()
        except ModuleNotFoundError as error:
            text = str(error)
        found[f"{package}.{name}"] = text.strip()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def touched() -> dict[str, str]:
    done = subprocess.run([sys.executable, "-c", TOUCH, json.dumps(sorted(EXTRAS))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_public_name_works_or_names_its_extra(touched: dict[str, str]) -> None:
    assert len(touched) > 100
    for name, text in touched.items():
        last = text.splitlines()[-1].strip() if text else ""
        # What an example itself imports (pandas, say) is the user's; what heschl imports is named with its extra.
        own = last.startswith(("ModuleNotFoundError: No module named", "No module named"))
        assert not text or own or "pip install 'heschl[" in last, f"{name}: {text}"


def test_the_core_works_and_labelled_results_name_their_extra(touched: dict[str, str]) -> None:
    for name in ("LaggedRidge", "LaggedRidgeCV", "BandedRidgeCV", "CCA", "Repeated", "FeatureSpaces", "show_versions"):
        assert touched[f"heschl.{name}"] == "", name
    assert touched["heschl.cca_grid"].endswith("pip install 'heschl[xarray]'")
    assert "heschl[" in touched["heschl.open_results"]


def test_the_command_line_says_which_extra_it_needs() -> None:
    absent = f"""
import sys
class Absent:
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {sorted(EXTRAS)!r} else self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Absent(finder) for finder in sys.meta_path]
sys.argv = ["heschl", "--help"]
from heschl.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", absent], capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.count("\n") == 1 and "pip install 'heschl[study]'" in done.stderr
