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

    from heschl.study.analyses.registry import ANALYSES
    from heschl.study.config.study import _SECTIONS
    from heschl.study.kinds.registry import KINDS

    text = heschl_pages.study_keys()
    for section in (*_SECTIONS.values(), *KINDS.values()):
        for key in section.model_fields:
            assert key == "kind" or f"| `{key}` |" in text, key
    commands = heschl_pages.commands()
    for command in ("run", "check", "plan", "ecog prepare", "features prune", "simulate"):
        assert f"## `heschl {command}`" in commands
    only = next(line for line in commands.splitlines() if line.startswith("| `--only` |"))
    assert all(re.search(rf"\b{analysis.name}\b", only) for analysis in ANALYSES)
    assert "| `--jobs` |" in commands and "| `--traceback` |" in commands and "| `best_r2" not in commands
    for section in _SECTIONS.keys() - {()}:
        assert f"\n## `[{'.'.join(section)}]`" in text
    assert "| `tmin` | number ≥ -3600, ≤ 3600 | s | `0` |" in text and 'layers = "best"' in text
    schema = heschl_pages.results_schema()
    assert all(f"| `{name}" in schema for name in ("r2, r, alpha", "follows", "beyond_r2", "joint_sse", "common_r2"))
    assert "| `derivatives` |" in heschl_pages.recording_keys()


def test_every_table_that_a_run_writes_has_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    import heschl_pages

    study = ROOT / "python" / "heschl" / "study"
    sources = [*(study / "analyses").glob("*.py"), study / "results" / "tables.py"]
    written = {name for path in sources for name in re.findall(r"\b(\w+\.csv)", path.read_text(encoding="utf-8"))}
    assert {"shared.csv", "joint_parts.csv"} < written <= heschl_pages.TABLES.keys()
    assert all(f"### `{name}`" in heschl_pages.columns() for name in heschl_pages.TABLES)


def test_every_error_is_listed_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    from heschl_errors import errors_page

    page = errors_page(ROOT / "python" / "heschl")
    assert page.count("\n| `") > 500
    with pytest.raises(heschl.InputError) as caught:
        heschl.LaggedRidge(lags=[0, 2, 4]).fit([[1.0], [2.0]], [1.0, 2.0])
    assert f"| `{caught.value.argument}` | … | {caught.value.expected}. Use range(…, …). |" in page
    assert "| `segments` | lengths that sum to … | a sum of …, the number of rows of X. In scikit-learn's" in page


def test_study_files_on_the_pages_are_studies(tmp_path: Path) -> None:
    """Each whole study.toml and recording.toml of the README and the pages, and each section behind it."""
    from heschl.study.config.study import study_or_errors
    from heschl.study.prepare.recording import read_preparation

    read = 0
    for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md"))):
        whole = ""
        for text in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            if text.startswith("subject"):
                (tmp_path / "recording.toml").write_text(text, encoding="utf-8")
                read_preparation(tmp_path / "recording.toml")
            else:
                whole = text if text.startswith("name") else whole + text
                (tmp_path / "study.toml").write_text(whole, encoding="utf-8")
                assert study_or_errors(tmp_path / "study.toml")[1] == [], f"{page.name}: {text}"
            read += 1
    assert read == 5
