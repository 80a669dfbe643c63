"""heschl on one GPU: what the card can do, then each case against it, the answers checked; a table last.

python bench/gpu.py                      # what is installed, in under 6 minutes; kept in results/, row by row
python bench/gpu.py --build --tests      # build heschl with CUDA into build/gpu first, and run tests/cuda
python bench/gpu.py --only speech CCA    # cases whose name begins so; nothing is kept
python bench/gpu.py --only --profile     # one speech layer by kernel, where torch has CUDA
python bench/gpu.py --small              # tiny problems: only tries the code; nothing is kept

Cases that the minutes left do not hold are named in the table as not reached. Seconds are medians where a case is short
enough to be repeated, else of one run.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gpu_bench import Bench, Row

HERE = Path(__file__).parent
ROOT = HERE.parent
BUILT = ROOT / "build" / "gpu"
ALPHAS = np.logspace(2, 8, 10)
N_FOLDS = 5


def build() -> None:
    """Build and install heschl with CUDA beside the checkout, without an index."""
    arguments = ["--no-build-isolation", "--no-index", "--no-deps", "--upgrade", "--target", str(BUILT)]
    options = ["-C", "cmake.define.HESCHL_CUDA=ON", "-C", "cmake.define.CMAKE_CUDA_ARCHITECTURES=native"]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *arguments, str(ROOT), *options], check=True)


class Cases(Bench):
    """The cases asked for."""

    def moments(self, d: int) -> None:
        """Lagged moments of one layer, features already there."""
        from heschl.linear.design.frames import Frames
        from heschl.linear.design.segments import segment_bounds
        from heschl.linear.moments.lagged import LaggedMoments
        from heschl.linear.moments.shift import Shift

        w = 20
        d = 16 if self.small else d
        H, Y, lengths = self.data(d, 1)
        X = Frames.of(H)
        shift, bounds, there, y = Shift.near_mean(X, Y), segment_bounds(lengths, len(H)), X.to(self.device), Y[:, :0]

        def gather() -> Any:
            return LaggedMoments.of_rows(there, self.device.put(y), bounds, range(w), "zero", shift)

        found = gather()
        taken = self.seconds(gather, 3)
        some = LaggedMoments.of_rows(
            Frames.of(H.astype(np.float64)[:, :8]), y.astype(np.float64), bounds, range(w), "zero",
            Shift(shift.features[:8].astype(np.float64), shift.targets[:0].astype(np.float64)),
        )  # fmt: skip
        first = self.device.get(found.first_column)[:8, :8]
        assert np.abs(first - some.first_column[:8]).max() < 1e-3 * np.abs(some.first_column).max()
        operations = 2.0 * len(H) * w * d * d  # of a product per lag
        target = 0.004 if d < 1000 else 0.015
        met = "yes" if taken <= target else "no"
        self.add(
            Row(f"moments, d = {d}, w = {w}", taken, operations / taken, target=f"≤ {1e3 * target:g} ms", met=met,
                note="rate: operations of a product per lag")
        )  # fmt: skip

    def layer(
        self, case: str, d: int, c: int, target: float, *, nested: bool = False, words: bool = False, **how: Any
    ) -> None:
        """One layer by cross-validation: 20 lags, 5 folds, 10 λ, from the host's arrays; the second of two fits."""
        from heschl import LaggedRidgeCV
        from heschl.linear import nested_cv

        w = 20
        if self.small:
            d, c, w = 6, 5, 4
        H, Y, lengths = (self.words if words else self.data)(d, c)
        folds = np.arange(len(lengths)) % N_FOLDS
        how = {"lags": range(w), "alphas": ALPHAS, "device": "cuda", **how}
        model = LaggedRidgeCV(**how, cv=N_FOLDS)
        found: list[Any] = []
        fit = partial(nested_cv, H, Y, **how, segments=lengths, folds=folds) if nested else partial(
            model.fit, H, Y, segments=lengths
        )  # fmt: skip
        taken = first = self.seconds(lambda: found.append(fit()))  # libraries load their code at its first use
        if self.left() > 2 * first:
            taken = self.seconds(fit)
        scores = found[0].r2.mean(axis=0) if nested else np.nanmax(model.cv_scores_, axis=0)
        assert np.median(scores) > 0.02
        used = f"{found[0].solver}, {found[0].dtype}" if nested else (
            f"{model.solver_}, {model.products_}, {model.n_steps_} steps to {model.dimension_}"
        )  # fmt: skip
        met, used = "yes" if taken <= target else "no", f"{used}; the first time {first:.3g} s"
        self.add(Row(f"{case}, p = {w * d}, c = {c}", taken, target=f"≤ {target:g} s" if target < 1e3 else "", met=met
                     if target < 1e3 else "", note=used))  # fmt: skip

    def grid(self) -> None:
        """The paper's 12 + 48 layers, from the layers above."""
        for kind, target in (("", 120.0), (", nested", 300.0)):
            speech, language = (
                next((row.seconds for row in self.rows if row.case.startswith(f"{case} layer{kind}, p")), np.nan)
                for case in ("speech", "language")
            )
            total = 12 * speech + 48 * language
            met = ("yes" if total <= target else "no") if np.isfinite(total) else ""
            note = "extrapolated: 12 and 48 times the layers above"
            self.add(Row(f"the paper's grid{kind}", total, target=f"≤ {target / 60:g} min", met=met, note=note))

    def profile(self) -> None:
        """One speech layer by kernel, by CUPTI through torch's profiler."""
        from torch.profiler import ProfilerActivity, profile

        from heschl import LaggedRidgeCV

        H, Y, lengths = self.data(768 if not self.small else 6, 822 if not self.small else 5)
        model = LaggedRidgeCV(range(20), alphas=ALPHAS, cv=N_FOLDS, device="cuda")
        model.fit(H, Y, segments=lengths)
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
            taken = self.seconds(lambda: model.fit(H, Y, segments=lengths))
        print(seen.key_averages().table(sort_by="self_device_time_total", row_limit=25, max_name_column_width=100))
        self.add(Row("profile of a speech layer", taken, note="by kernel above"))

    def cca(self) -> None:
        """Canonical correlations of a row of the grid: one layer of 1,600 with 12 of 768."""
        from heschl import cca_grid

        a, b, n = (768, 1600, 58_943) if not self.small else (8, 12, 500)
        count = 12 if not self.small else 2
        shared = self.rng.standard_normal((n, 5)).astype(np.float32)

        def layer(d: int) -> Any:
            H = self.rng.standard_normal((n, d)).astype(np.float32)
            H[:, :5] += 3 * shared
            return H

        # Layers lie in memory before the clock starts: to draw one takes longer than to whiten it.
        left, right = {str(i): layer(a) for i in range(count)}, {name: layer(b) for name in "bc"}
        one, grids = {"b": right["b"]}, []
        cca_grid(left, one, device="cuda")  # libraries load their code
        taken = self.seconds(lambda: grids.append(cca_grid(left, one, device="cuda")))
        assert (np.abs(grids[0].values[..., :5] - 0.9) < 0.1).all()
        # A second layer finds the bases of the first model made: what each further one costs.
        two = self.seconds(lambda: cca_grid(left, right, device="cuda"))
        total = taken + 47 * max(0.0, two - taken)
        note = f"extrapolated: {count} pairs {taken:.3g} s, {2 * count} {two:.3g} s"
        met = "yes" if total <= 10 else "no"
        self.add(Row(f"576 CCA pairs ({a} × {b})", total, target="≤ 10 s", met=met, note=note))

    def singular_values(self) -> None:
        """The 50 largest of many products of whitened sides: all in one call, and one by one."""
        from heschl.linear.cca.whitening import largest_singular_values

        for count, rows, cols in ((576, 50, 300), (12, 768, 1600)) if not self.small else ((5, 4, 6),):
            M = self.rng.standard_normal((count * rows, cols))
            there, k = self.device.put(M), min(50, rows)
            edges = rows * np.arange(count + 1)
            each = [there.part(i * rows, rows, 0, cols) for i in range(count)]
            found = largest_singular_values(there, edges, k)
            assert np.allclose(found[-1], np.linalg.svd(M[-rows:], compute_uv=False)[:k], rtol=1e-9)
            together = self.seconds(lambda there=there, edges=edges, k=k: largest_singular_values(there, edges, k), 3)
            apart = self.seconds(lambda each=each, e=edges[:2], k=k: [largest_singular_values(m, e, k) for m in each])
            note = f"one by one {apart:.3g} s"
            self.add(Row(f"{k} singular values of {count} matrices {rows} × {cols}", together, note=note))

    def himalaya(self) -> None:
        """himalaya's RidgeCV on the same card, the design given to it."""
        import himalaya.backend
        import torch
        from himalaya.ridge import RidgeCV
        from himalaya.scoring import r2_score

        from heschl import LaggedRidgeCV, lagged_design

        n, d, w, c = (12_000, 64, 20, 822) if not self.small else (600, 4, 3, 5)
        H, Y, _ = self.data(d, c, n)
        H, Y = H[:n], Y[:n]
        lengths = [n // 20] * 20
        H, Y = H[: sum(lengths)], Y[: sum(lengths)]
        fold = np.repeat(np.arange(20) % N_FOLDS, lengths)
        splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(N_FOLDS)]
        model = LaggedRidgeCV(range(w), alphas=ALPHAS, cv=splits, device="cuda", dtype="float32")
        fit = lambda: model.fit(H, Y, segments=lengths)  # noqa: E731
        fit()
        taken = self.seconds(fit, 3)
        X = lagged_design(H, range(w), segments=lengths)
        where = "torch_cuda" if torch.cuda.is_available() else "torch"
        himalaya.backend.set_backend(where)
        rival = RidgeCV(alphas=ALPHAS, fit_intercept=True, cv=splits, solver_params={"score_func": r2_score})

        def other() -> None:
            rival.fit(X, Y)
            if torch.cuda.is_available():
                torch.cuda.synchronize()

        other()
        theirs = self.seconds(other, 2)
        same = float(np.mean(np.isclose(model.alpha_, np.asarray(rival.best_alphas_.cpu(), dtype=float), rtol=1e-3)))
        assert same > 0.9, f"the same λ for {same:.0%} of the targets"
        ratio, met = theirs / taken, "yes" if theirs >= 20 * taken else "no"
        note = f"himalaya ({where}) {theirs:.3g} s, same λ {same:.0%}"
        self.add(Row(f"n = {len(H)}, d = {d}: {ratio:.1f} × himalaya", taken, target="≥ 20 ×", met=met, note=note))

    def all(self) -> None:
        """Every case, the ones asked for most first."""
        self.run("first fit", self.first_fit, 15)
        self.run("ceilings", self.ceilings, 5)
        for d in (768, 1600):
            self.run(f"moments, d = {d}", lambda d=d: self.moments(d), 10)
        self.run("split products", self.split, 5)
        self.run("test rows", self.test_rows, 5)
        self.run("together", self.together, 5)
        self.run("speech layer", lambda: self.layer("speech layer", 768, 822, 0.8), 15)
        self.run("one subject", lambda: self.layer("one subject", 768, 64, 0.3), 15)
        self.run("language layer", lambda: self.layer("language layer", 1600, 822, 2.0, words=True), 25)
        self.run("nested speech", lambda: self.layer("speech layer, nested", 768, 822, 5.0, nested=True), 20)
        nested = partial(self.layer, "language layer, nested", 1600, 822, 6.0, nested=True, words=True)
        self.run("nested language", nested, 40)
        self.run("grid", self.grid, 0)
        self.run("CCA", self.cca, 40)
        if importlib.util.find_spec("himalaya"):
            self.run("himalaya", self.himalaya, 30)
        else:
            self.add(Row("himalaya", float("nan"), note="not reached: himalaya is not installed"))
        self.run("factorisations", self.factorisations, 10)
        self.run("singular values", self.singular_values, 20)
        by_cholesky = {"solver": "cholesky", "dtype": "float32"}
        self.run("Cholesky", lambda: self.layer("speech layer by Cholesky", 768, 822, np.inf, **by_cholesky), 20)
        self.run("tf32", lambda: self.layer("speech layer, tf32", 768, 822, np.inf, dtype="tf32"), 15)
        if importlib.util.find_spec("transformers") and (self.only is not None or not self.small):
            self.run("speech model", lambda: self.models("speech"), 30)
            self.run("language model", lambda: self.models("language"), 90)  # last: 6 GB are written, and read twice


def table(bench: Bench) -> str:
    """Markdown, one line a case."""
    lines = ["| case | seconds | rate | target | met | note |", "|---|---|---|---|---|---|"]
    for row in bench.rows:
        rate = f"{row.rate:.3g}" if row.rate else ""
        cells = (row.case, f"{row.seconds:.4g}", rate, row.target, row.met, row.note)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Build, test, measure, keep, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", action="store_true", help="build heschl with CUDA into build/gpu first")
    parser.add_argument("--tests", action="store_true", help="run tests/cuda before anything is timed")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="cases whose names begin so; nothing is kept")
    parser.add_argument("--profile", action="store_true", help="a speech layer by kernel, too, where torch has CUDA")
    parser.add_argument("--small", action="store_true", help="tiny problems, nothing kept")
    parser.add_argument("--minutes", type=float, default=6.0, help="for the cases (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, help="where to keep the figures (default, of all cases: bench/results/<device>.json)"
    )
    asked = parser.parse_args()
    if asked.build:
        build()
    if BUILT.is_dir():
        sys.path.insert(0, str(BUILT))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(BUILT), os.environ.get("PYTHONPATH", "")])
    passed = "not run"
    if asked.tests:
        command = [sys.executable, "-m", "pytest", "-q", str(ROOT / "tests" / "cuda")]
        passed = "passed" if subprocess.run(command, check=False).returncode == 0 else "FAILED"
    bench = Cases(asked.minutes, asked.small, asked.only)
    bench.told |= {"python": platform.python_version(), "tests": passed}
    if asked.out or not (asked.small or asked.only is not None):
        name = re.sub(r"[^a-z0-9]+", "-", bench.name.lower()).strip("-")
        bench.out = asked.out or HERE / "results" / f"{name}.json"
    bench.all()
    if asked.profile:
        bench.only = None
        bench.run("profile", bench.profile, 20)
    print(f"\n{bench.name}; tests/cuda: {passed}\n\n{table(bench)}")
    return 1 if passed == "FAILED" else 0


if __name__ == "__main__":
    raise SystemExit(main())
