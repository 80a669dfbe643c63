"""The documentation names what is there: links, examples of the gallery, versions, every key and command."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import heschl

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="a source distribution has no docs")


def test_links_of_the_readme_and_of_pages_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", text):
            if "://" in target or target.startswith(("api/", "auto_gallery/")):
                continue
            place = page.parent / target
            assert place.exists() or place.with_suffix(".md").exists(), f"{page.name}: {target}"


def test_the_gallery_lists_every_example() -> None:
    listed = [line.partition(":")[0] for line in (DOCS / "gallery" / "ORDER.txt").read_text().splitlines()]
    assert sorted(listed) == sorted(path.stem for path in (DOCS / "gallery").glob("plot_*.py")) and len(listed) >= 15
    for page in DOCS.glob("*.md"):
        for name in re.findall(r"sphx_glr_auto_gallery_(\w+)\.py", page.read_text(encoding="utf-8")):
            assert name in listed, f"{page.name}: {name}"


def test_public_names_that_pages_link_to_exist() -> None:
    for page in DOCS.glob("*.md"):
        for name in re.findall(r"\(api/generated/([\w.]+)\)", page.read_text(encoding="utf-8")):
            module, _, last = name.rpartition(".")
            __import__(module)
            assert last in sys.modules[module].__all__, f"{page.name}: {name}"


def test_the_citation_is_of_this_version() -> None:
    found = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None and found[1] == heschl.__version__


def test_generated_pages_hold_every_key_and_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    import heschl_pages

    from heschl.study.config.study import _SECTIONS
    from heschl.study.kinds.registry import KINDS

    text = heschl_pages.study_keys()
    for section in (*_SECTIONS.values(), *KINDS.values()):
        for key in section.model_fields:
            assert key == "kind" or f"| `{key}` |" in text, key
    commands = heschl_pages.commands()
    for command in ("run", "check", "plan", "ecog prepare", "features prune", "simulate"):
        assert f"## `heschl {command}`" in commands
    assert "| `--jobs` |" in commands and "| `best_r2" not in commands
    assert "`r2, r, alpha" in heschl_pages.results_schema()
    assert "| `derivatives` |" in heschl_pages.recording_keys()
