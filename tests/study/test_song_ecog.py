"""Published human ECoG through the road of a recording: trials, no ceiling without repeats (said so), a study."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from heschl.checks import InputError
from heschl.ecog.ceiling import noise_ceiling
from heschl.ecog.epochs import epoch
from heschl.ecog.responses.dataset import to_dataset, write_dataset
from heschl.study import open_results, run_study

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "song_ecog"


@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_song_ecog_from_a_continuous_signal_to_a_study(tmp_path: Path) -> None:
    with np.load(DATA / "responses.npz") as arrays:
        responses, names = arrays["responses"][:40], [str(name) for name in arrays["stimuli"][:40]]
        electrodes = tuple(str(name) for name in arrays["electrodes"])
    # One sound after the other, a second of silence between them: 100 samples a second.
    gap = np.full((100, len(electrodes)), np.nan, dtype=np.float32)
    signal = np.concatenate([part for trial in responses for part in (trial, gap)])
    events = pd.DataFrame({"onset": 4.0 * np.arange(40), "duration": 2.0, "stimulus": names})
    trials = epoch(signal, 100.0, events, pre=0.0, post=0.9, electrodes=electrodes, subject="S1")
    np.testing.assert_allclose(np.stack([trial[:280] for trial in trials.trials]), responses[:, :280], atol=1e-3)
    with pytest.raises(InputError, match="repeat") as refused:
        noise_ceiling(trials)
    write_dataset(to_dataset(trials, provenance=(f"no noise ceiling: {refused.value.found}",)), tmp_path / "S1.zarr")
    (tmp_path / "stimuli").mkdir()
    for name in names:
        found = next(DATA.rglob(f"{name.removesuffix('.wav')}.wav"))
        shutil.copy(found, tmp_path / "stimuli" / found.name)
    study = tmp_path / "study.toml"
    study.write_text(
        'name = "song"\n[stimuli]\nsounds = "stimuli/*.wav"\n[responses]\nmissing = "mask"\n'
        '[responses.subjects]\nS1 = "S1.zarr"\n[grid]\nrate = 25.0\n[features.mel]\nkind = "mel"\nn_mels = 40\n'
        "[encoding]\ntmax = 0.32\nalphas = [1e1, 1e2, 1e3, 1e4, 1e5]\nfolds = 5\n"
    )
    results = open_results(run_study(study))
    r = results["best_r"].mean("fold").values
    assert r.shape == (1, 18) and np.median(r) > 0.15
    report = (tmp_path / "results" / "report.html").read_text()  # no words, no repeats, no places, one space
    assert "No noise ceiling: S1: 0 of 40 stimuli presented more than once" in report
    assert "18 electrodes of 1 subject were analysed, in response to 40 stimuli" in report
    assert 'id="regions"' not in report and 'id="figure-brain"' not in report and 'id="figure-models"' not in report
