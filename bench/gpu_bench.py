"""What `gpu.py` measures with: a clock on the device, lines of the table, data, and what the card itself can do."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class Row:
    """One line of the table."""

    case: str
    seconds: float
    rate: float = 0.0  # operations per second, or bytes
    target: str = ""
    met: str = ""
    note: str = ""


class Bench:
    """Cases, one after the other, while there is time."""

    def __init__(self, minutes: float, small: bool, only: list[str] | None = None) -> None:
        from heschl.linear.device.cuda import cuda_backend
        from heschl.linear.device.status import cuda_status

        self.end, self.small, self.only = time.perf_counter() + 60 * minutes, small, only
        self.device = cuda_backend()
        self.name = cuda_status().devices[0]
        self.rows: list[Row] = []
        self.rates: dict[str, float] = {}
        self.out: Path | None = None
        self.told = {"device": self.name}
        self.rng = np.random.default_rng(0)

    def seconds(self, work: Callable[[], Any], repeats: int = 1) -> float:
        """Median seconds of some work on the device, done when it returns."""
        taken = []
        for _ in range(repeats):
            self.device.context.synchronize()
            start = time.perf_counter()
            work()
            self.device.context.synchronize()
            taken.append(time.perf_counter() - start)
        return float(np.median(taken))

    def add(self, row: Row) -> None:
        """Keep and show a row, and write down all that there are: whatever happens to the next one, these are there."""
        self.rows.append(row)
        if self.out is not None:
            from heschl.files import replacing

            with replacing(self.out) as temporary:
                temporary.write_text(
                    json.dumps(self.told | {"rows": [asdict(row) for row in self.rows]}, indent=1) + "\n"
                )
        print(f"{row.case}: {row.seconds:.4g} s {row.note}", flush=True)

    def left(self) -> float:
        """Seconds that are left."""
        return self.end - time.perf_counter()

    def run(self, case: str, work: Callable[[], None], needs: float) -> None:
        """Run one case, if its expected seconds are left; a case that fails is a line of the table, not the end."""
        if self.only is not None and not any(case.startswith(name) for name in self.only):
            return
        if self.left() < needs:
            self.add(Row(case, float("nan"), note=f"not reached: {self.left():.0f} s left, about {needs:.0f} needed"))
            return
        try:
            work()
        except Exception as error:
            self.add(Row(case, float("nan"), met="no", note=f"{type(error).__name__}: {error}"[:300]))

    def rate(self, precision: str) -> float:
        """Operations per second of a product, measured at the first call."""
        from heschl.linear.device.cuda import cuda_backend

        if precision not in self.rates:
            n, dtype = 256 if self.small else 8192, "f8" if precision == "float64" else "f4"
            there = cuda_backend(tf32=precision == "tf32")
            a, b = (there.put(self.rng.standard_normal((n, n)).astype(dtype)) for _ in range(2))
            until = time.perf_counter() + (0.0 if self.small else 0.5)  # clocks rise with work
            while True:
                there.product(a, b)
                there.context.synchronize()
                if time.perf_counter() >= until:
                    break
            start = time.perf_counter()
            for _ in range(5):
                there.product(a, b)
            there.context.synchronize()
            taken = (time.perf_counter() - start) / 5
            found = self.rates[precision] = 2.0 * n**3 / taken
            self.add(Row(f"product {precision}, {n}", taken, found, note=f"{found:.3g}/s"))
        return self.rates[precision]

    def ceilings(self) -> None:
        """Product rate by precision, and bandwidths."""
        for precision in ("float32", "tf32", "float64"):
            self.rate(precision)
        host = np.zeros((16 if self.small else 1 << 15, 1 << 13), np.float32)
        there = self.device.put(host)
        up = self.seconds(lambda: self.device.put(host), 3)
        copied = self.seconds(lambda: self.device.copy(there), 3)
        self.add(Row("host to device", up, host.nbytes / up, note=f"{host.nbytes / up / 1e9:.3g} GB/s"))
        rate = 2 * host.nbytes / copied
        self.add(Row("copy within the device", copied, rate, note=f"{rate / 1e9:.4g} GB/s, read and written"))

    def factorisations(self) -> None:
        """One λ by Cholesky, and an eigendecomposition, in products of as many operations: for the cost model."""
        for p, with_eigh in ((2_560, True), (15_360, False)) if not self.small else ((40, True),):
            gram = self.device.empty((p, p), np.float32)
            A = self.device.put(self.rng.standard_normal((p // 4, p)).astype(np.float32))
            self.device.assign(gram, self.device.product(A, A, transpose=True))
            diagonal, cross = self.device.diagonal(gram), self.device.zeros((p, 1), np.float32)
            solve = partial(self.device.kernels.ridge_solve, gram, diagonal, float(p), cross, self.device.handle())
            solve()
            taken = self.seconds(solve, 3)
            slowness = taken * self.rate("float32") / (p**3 / 3)
            self.add(Row(f"Cholesky, p = {p}", taken, note=f"{slowness:.3g} × its operations as products"))
            if with_eigh:
                taken = self.seconds(lambda g=gram: self.device.eigh(g))
                cubes = taken * self.rate("float32") / p**3
                self.add(Row(f"eigendecomposition, p = {p}", taken, note=f"{cubes:.3g} p³ operations as products"))

    def data(self, d: int, c: int, n: int = 58_943) -> tuple[Any, Any, list[int]]:
        """Features that correlate in time, and responses that some of them drive."""
        n = 1500 if self.small else n
        H = self._series(n, d)
        return H, self._driven(H, c), self._lengths(n)

    def words(self, d: int, c: int) -> tuple[Any, Any, list[int]]:
        """Features at the rate of words, and responses that some of them drive."""
        from heschl import Repeated

        n, n_words = (58_943, 5_200) if not self.small else (1500, 150)
        ends = np.sort(self.rng.choice(np.arange(1, n), n_words - 1, replace=False))
        values = self._series(n_words, d)
        values[:, :40] *= 3  # as models have columns of far larger numbers than the others
        words = Repeated(values, np.diff([0, *ends, n]))
        return words, self._driven(words.expand(), c), self._lengths(n)

    def _series(self, n: int, d: int) -> Any:
        H = self.rng.standard_normal((n, d)).astype(np.float32)
        for _ in range(2):
            H[1:] += 0.7 * H[:-1]
        return H

    def _driven(self, H: Any, c: int) -> Any:
        n, d = H.shape
        Y = H[:, : min(d, 40)] @ self.rng.standard_normal((min(d, 40), c)).astype(np.float32)
        return np.roll(Y, 3, axis=0) + 10 * self.rng.standard_normal((n, c)).astype(np.float32)

    def _lengths(self, n: int) -> list[int]:
        lengths = [n // 20] * 19 if self.small else [98] * (n // 98 - 1)
        return [*lengths, n - sum(lengths)]

    def split(self) -> None:
        """Products by halves on tensor cores: their rate and error beside float32's."""
        from heschl.linear.device import cuda

        n, c = (8192, 1024) if not self.small else (96, 8)
        G, V = (self.rng.standard_normal((n, k)).astype(np.float32) for k in (n, c))
        least, cuda.SPLIT_LEAST = cuda.SPLIT_LEAST, 1
        there, right = self.device.put(G), self.device.put(V)
        exact = G[:64].astype(np.float64) @ V
        for split in (False, True):
            times = self.device.multiplier(there, split=split)
            wrong = np.abs(self.device.get(times(right))[:64] - exact).max() / np.abs(exact).max()
            taken = self.seconds(partial(times, right), 5)
            name, rate = "split in halves" if split else "float32", 2.0 * n * n * c / taken
            self.add(Row(f"product {n} × {n} × {c}, {name}", taken, rate, note=f"{rate:.3g}/s, error {wrong:.1e}"))
        cuda.SPLIT_LEAST = least

    def test_rows(self) -> None:
        """The design of a fold's rows times a panel of a Krylov space, in float32 and by halves."""
        from heschl.linear.design.frames import Frames
        from heschl.linear.device import cuda
        from heschl.linear.ridge.held_out import HeldOut
        from heschl.linear.ridge.normal import Scaling

        n, d, w, c = (11_760, 768, 20, 411) if not self.small else (200, 4, 3, 5)
        H = Frames.of(self.rng.standard_normal((n, d)).astype(np.float32)).to(self.device)
        V = self.device.put(self.rng.standard_normal((w * d, c)).astype(np.float32))
        ranges = np.array([[begin, begin + n // 20, begin, begin + n // 20] for begin in range(0, n, n // 20)])
        least, cuda.SPLIT_LEAST = cuda.SPLIT_LEAST, 1
        missed: list[bool] = []
        for split in (False, True):
            scaling, told = Scaling(np.zeros(d), np.ones(d)), partial(missed.append, True)
            rows = HeldOut(H, ranges, range(w), scaling, split=split, missed=told)
            rows.product(V)
            taken = self.seconds(lambda rows=rows: rows.product(V), 5)
            name, rate = "split in halves" if split else "float32", 2.0 * n * w * d * c / taken
            note = f"{rate:.3g}/s{', given up' if missed else ''}"
            self.add(Row(f"test rows {n} × {w * d} × {c}, {name}", taken, rate, note=note))
        cuda.SPLIT_LEAST = least

    def together(self) -> None:
        """Ten λ of a small training set: solved together, and one after the other."""
        from heschl.linear.ridge.normal import NormalEquations, Scaling
        from heschl.linear.ridge.weights import solve, solve_path

        p, c = (1_280, 822) if not self.small else (20, 3)
        A = self.device.put(self.rng.standard_normal((2 * p, p)).astype(np.float32))
        gram, alphas = self.device.product(A, A, transpose=True), np.logspace(1, 4, 10)
        cross, none = self.device.put(self.rng.standard_normal((p, c)).astype(np.float32)), np.zeros(p)
        equations = NormalEquations(
            gram, self.device.diagonal(gram), cross, Scaling(none, none), 2 * p, none, none, none
        )
        solve_path(equations, alphas)
        at_once = self.seconds(lambda: solve_path(equations, alphas), 5)
        apart = self.seconds(lambda: [solve(equations, alpha) for alpha in alphas], 5)
        note = f"one by one {apart:.3g} s"
        self.add(Row(f"ten λ together, p = {p}, c = {c}", at_once, note=note, met="yes" if at_once < apart else "no"))

    def models(self, kind: str) -> None:
        """Features by a model on the card: rate, and distance from the CPU's."""
        import torch
        from gpu_models import CLOSE, measure

        device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu" and not self.small:
            self.add(Row(f"{kind} model", float("nan"), note="not reached: torch has no CUDA"))
            return
        taken, apart, shape = measure(kind, device, self.small)
        what = "a minute of sound" if kind == "speech" else "2,048 words"
        met = "yes" if apart <= CLOSE else "no"
        note = f"{what}, {shape}; {apart:.1e} from the CPU"
        self.add(Row(f"{kind} model", taken, target=f"≤ {CLOSE:g} apart", met=met, note=note))

    def first_fit(self) -> None:
        """Seconds from the start of `import heschl` to the end of a small fit on the card, in a new process."""
        n, d = (4000, 64) if not self.small else (200, 3)
        code = (
            "import time; a = time.perf_counter(); import numpy as np, heschl; b = time.perf_counter();"
            f"H = np.random.default_rng(0).standard_normal(({n}, {d})).astype('f4');"
            "model = heschl.LaggedRidgeCV(range(10), alphas=[1e2, 1e4], device='cuda');"
            f"model.fit(H, H[:, :2], segments=[{n // 20}] * 20); print(b - a, time.perf_counter() - b)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-250:])
        imported, fitted = map(float, done.stdout.split())
        note, met = f"and {imported:.2g} s to import", "yes" if fitted <= 1.0 else "no"
        self.add(Row("first fit after import", fitted, target="≤ 1 s", met=met, note=note))
