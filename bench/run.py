"""Run the benchmarks, keep their raw figures in results/, print the table for README.md.

python bench/run.py                    # everything but the full-size layer: about 20 minutes on two quiet cores
python bench/run.py --layer            # the full-size layer alone: 11 to 15 minutes more
python bench/run.py --quick            # tiny problems: only tries the code; nothing is kept
python bench/run.py --table FILE ...   # print the table of kept figures
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Row = dict[str, Any]


def times_faster(factor: float, rival: str) -> tuple[str, str, Callable[[Row, Row], bool]]:
    """heschl's median is at most that rival's divided by `factor`."""
    return f"≥ {factor:g} ×", rival, lambda own, other: other["seconds"] >= factor * own["seconds"]


def own(text: str, met: Callable[[Row], bool]) -> tuple[str, str, Callable[[Row, Row], bool]]:
    """Something heschl must reach by itself."""
    return text, "heschl", lambda row, _: met(row)


# For each group of cases: what is to be reached, beside whom, and whether it was.
TARGETS: dict[str, list[tuple[str, str, Callable[[Row, Row], bool]]]] = {
    "moments, large": [
        times_faster(7, "NumPy, X'X of a built design"),
        own("≥ 75 % of sgemm", lambda row: row["fraction"] >= 0.75),
        own("< 0.6 GB", lambda row: row["peak"] < 0.6e9),
    ],
    "ridge CV, middle": [times_faster(45, "himalaya"), times_faster(12, "scikit-learn"), times_faster(2.2, "NumPy")],
    "ridge CV, small": [times_faster(5, "scikit-learn"), times_faster(5, "mTRFpy")],
    "fixed cost of a fit": [own("≤ 2 ms", lambda row: row["seconds"] <= 2e-3)],
    "full-size layer, speech": [
        times_faster(4, "own Cholesky path"),
        own("peak ≤ 2.3 p² · 4 bytes", lambda row: row["peak"] <= row["peak_limit"]),
    ],
    "full-size layer, subject": [times_faster(20, "own Cholesky path")],
    "full-size layer, language": [own("peak ≤ 8 GB", lambda row: row["peak"] <= row["peak_limit"])],
    "word-rate moments": [times_faster(6, "heschl, at frame rate")],
    "one fold, p = 32,000": [times_faster(10, "Cholesky, by count")],
    "all λ, frames": [times_faster(2, "own Cholesky path")],
    "all λ, words": [times_faster(2, "own Cholesky path")],
    "dual": [times_faster(5, "himalaya")],
    "high gamma": [times_faster(3, "SciPy, a loop over channels and bands")],
    "high gamma, six minutes of 256 channels at 3 kHz": [own("< 4 GB", lambda row: row["peak"] < 4e9)],
    "CCA, one pair": [
        times_faster(400, "scikit-learn"), times_faster(2, "cca-zoo"), times_faster(2, "NumPy, QR and SVD"),
        times_faster(1.1, "NumPy, Cholesky and SVD"),
    ],
    "CCA, one pair, κ = 1e5": [times_faster(1.5, "NumPy, QR and SVD")],
    "CCA, 4 × 8 layers": [
        times_faster(8, "NumPy, QR and SVD of each pair"),
        own("≥ 70 % of gemm", lambda row: row["fraction"] >= 0.7),
    ],
    "CCA, 576 cross-matrices": [times_faster(3, "NumPy, svd of the stack")],
    "predict, large": [
        times_faster(5, "MNE, segment by segment"),
        times_faster(1.2, "NumPy, XW of the design"),
        (
            "≤ 1/20 of its memory beyond the answer", "NumPy, XW of the design",
            lambda row, other: 20 * (row["peak"] - row["answer"]) <= other["peak"] - other["answer"],
        ),
    ],
    "Wav2Vec2-base, a minute of sentences": [times_faster(1 / 1.1, "transformers, a bare loop")],
    "language model, a story": [times_faster(5, "transformers, one pass per word")],
    "predict, one segment": [times_faster(5, "MNE")],
    'null="scores", per shift': [times_faster(10, "NumPy, a loop over shifts")],
    'null="refit", per permutation': [
        times_faster(6, "heschl, λ path again"),
        own("≥ 70 % of sgemm", lambda row: row["fraction"] >= 0.7),
    ],
}  # fmt: skip


def read(files: list[Path]) -> dict[str, list[Row]]:
    """Rows of each group, in the order they were run; heschl first."""
    groups: dict[str, list[Row]] = {}
    for file in files:
        figures = json.loads(file.read_text())
        for entry in figures["benchmarks"]:
            extra = entry["extra_info"]
            row = {
                "rival": extra["rival"],
                "quick": figures["machine_info"]["quick"],
                "seconds": entry["stats"]["median"] / extra.get("permutations", 1),
                "rounds": entry["stats"]["rounds"],
                "fraction": extra.get("fraction_of_sgemm"),
                "peak": extra.get("peak_bytes"),
                "answer": extra.get("answer_bytes", 0),
                "peak_limit": extra.get("peak_limit_bytes"),
            }
            group = groups.setdefault(entry["group"], [])
            group.append(row)
            # What nobody waits for: seconds by the count of operations and a rate measured beside this case.
            for name, seconds in extra.get("counted", {}).items():
                group.append({**row, "rival": name, "seconds": seconds, "fraction": None, "peak": None})
    return {name: sorted(rows, key=lambda row: row["rival"] != "heschl") for name, rows in groups.items()}


def judged(name: str, row: Row, heschl: Row | None) -> str:
    """Targets that stand beside this rival, each with what came of it; none for tiny problems."""
    if heschl is None or row["quick"]:
        return ""
    found = []
    for text, rival, met in TARGETS.get(name, []):
        if rival == row["rival"]:
            found.append(f"{text}: {'met' if met(heschl, row) else '**missed**'}")
    return "; ".join(found)


def table(files: list[Path]) -> str:
    """Medians, ratios, fractions of sgemm's rate and peak memory as Markdown."""
    lines = [
        "| case | who | median | times heschl's | of sgemm's rate | peak memory | target |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, rows in read(files).items():
        heschl = next((row for row in rows if row["rival"] == "heschl"), None)
        for i, row in enumerate(rows):
            ratio = f"{row['seconds'] / heschl['seconds']:.2g}" if heschl and row is not heschl else ""
            fraction = "" if row["fraction"] is None else f"{row['fraction']:.0%}"
            beyond = "" if row["peak"] is None else f"{(row['peak'] - row['answer']) / 1e6:,.0f} MB"
            beyond += f" + {row['answer'] / 1e6:,.0f} MB answer" if beyond and row["answer"] else ""
            cells = [
                name if i == 0 else "", row["rival"], f"{duration(row['seconds'])} ({row['rounds']})", ratio, fraction,
                beyond, judged(name, row, heschl),
            ]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    unit, factor = next(u for u in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)) if seconds * u[1] >= 1 or u[0] == "µs")
    return f"{seconds * factor:.3g} {unit}"


def machine_name(machine: dict[str, Any]) -> str:
    """A file name that says what the machine is."""
    brand = machine["cpu"].get("brand_raw", machine["machine"])
    return re.sub(r"[^a-z0-9]+", "-", f"{brand} {machine['cpu']['count']} cores".lower()).strip("-")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny problems; nothing is kept")
    parser.add_argument("--layer", action="store_true", help="the full-size layer instead of the others")
    parser.add_argument("--table", nargs="+", type=Path, metavar="FILE", help="only print the table of these figures")
    parser.add_argument("-k", default="", metavar="EXPRESSION", help="only these cases, as for pytest; nothing is kept")
    options = parser.parse_args()
    if options.table:
        print(table(options.table))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "figures.json"
        what = HERE / "full_size_layer.py" if options.layer else HERE
        command = [sys.executable, "-m", "pytest", str(what), "-q", "--benchmark-only", f"--benchmark-json={raw}"]
        command += ["--quick"] * options.quick + (["-k", options.k] if options.k else [])
        status = subprocess.run(command, cwd=HERE.parent, check=False).returncode
        if not raw.exists() or raw.stat().st_size == 0:
            return status or 1
        print("\n" + table([raw]))
        if status == 0 and not options.quick and not options.k:
            name = machine_name(json.loads(raw.read_text())["machine_info"])
            kept = HERE / "results" / f"{name}{'-layer' if options.layer else ''}.json"
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(raw.read_text())
            print(f"\nKept in {kept.relative_to(HERE.parent)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
