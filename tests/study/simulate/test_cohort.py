"""The simulated cohort is what it says: seeded, in the form a study reads, driven by latents and by nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_score

from heschl import InputError
from heschl.ecog import read_responses
from heschl.study.inputs.load import load_inputs
from heschl.study.simulate import models, responses, simulate_cohort, sound, text


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "cohort"
    simulate_cohort(out, n_sentences=12)
    return out


def contents(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                found[str(path.relative_to(folder))] = hashlib.sha256(
                    b"".join(np.ascontiguousarray(arrays[name]).tobytes() for name in sorted(arrays))
                ).hexdigest()
        elif path.is_file() and path.suffix != ".json":
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_the_seed_says_everything(cohort: Path, tmp_path: Path) -> None:
    simulate_cohort(tmp_path / "again", n_sentences=12)
    assert contents(tmp_path / "again") == contents(cohort)
    simulate_cohort(tmp_path / "other", seed=1, n_sentences=12)
    other = contents(tmp_path / "other")
    assert all(other[name] != digest for name, digest in contents(cohort).items() if name.endswith((".npz", ".wav")))


def test_a_study_can_read_it(cohort: Path) -> None:
    inputs = load_inputs(cohort / "study.toml")
    assert len(inputs.stimuli) == 12 and len(inputs.subjects) == 3
    for subject in inputs.subjects:
        assert len(subject.electrodes) == sum(responses.COUNTS.values()) == 32
        counts = pd.Series(list(subject.stimuli)).value_counts()
        assert (counts == 8).sum() == 10 and (counts == 1).sum() == 2
    assert inputs.study.note == "simulated responses, random-weight models"


def test_vocabulary_is_wide_enough() -> None:
    widest = max(models.WIDTH, models.VECTOR_WIDTH)
    assert sum(text.CLASSES.values()) >= 4 * widest


def test_meaning_cannot_be_heard() -> None:
    """Spelling carries no meaning: letters predict no semantic dimension of words they were not fitted on."""
    lexicon = text.make_lexicon(np.random.default_rng(0))
    letters = np.array([[word.count(letter) for letter in text.CONSONANTS + text.VOWELS] for word in lexicon.words])
    order = np.random.default_rng(1).permutation(len(letters))
    train, test = order[:160], order[160:]
    design = np.column_stack([letters, np.ones(len(letters))])
    weights = np.linalg.lstsq(design[train], lexicon.meanings[train], rcond=None)[0]
    error = lexicon.meanings[test] - design[test] @ weights
    assert (error**2).mean() > lexicon.meanings[test].var()


def test_the_dependency_needs_context() -> None:
    """From the verb on, no word says its subject's number (bags of letters and words do not); the determiner does."""
    lexicon = text.make_lexicon(np.random.default_rng(0))
    sentences = text.make_sentences(lexicon, 120, np.random.default_rng(1))
    now, before = [], []
    for sentence in sentences:
        after = sentence.words[sentence.verb_at :]
        now.append(np.bincount(after, minlength=len(lexicon.words)))
        before.append(np.bincount(sentence.words[:1], minlength=len(lexicon.words)))
        assert lexicon.classes[sentence.words[sentence.verb_at]] == "verb"
    number = np.array([sentence.subject for sentence in sentences])
    assert 0.3 < (number > 0).mean() < 0.7
    assert r2_on_new_sentences(np.array(now), number) < 0.1
    assert r2_on_new_sentences(np.array(before), number) > 0.9


def test_upper_layers_know_the_dependency(cohort: Path) -> None:
    """What the demo's context electrodes ask for is linear in the language model's last layer, not in its first."""
    import torch
    from transformers import GPT2Model

    lexicon = text.make_lexicon(np.random.default_rng(0))
    model = GPT2Model.from_pretrained(cohort / "models" / "gpt2").eval()
    states, number = [], []
    for sentence in text.make_sentences(lexicon, 200, np.random.default_rng(1)):
        with torch.inference_mode():
            hidden = model(torch.tensor([sentence.words]) + 1, output_hidden_states=True).hidden_states
        states.append(np.stack([hidden[at][0, sentence.verb_at].numpy() for at in (0, -1)]))
        number.append(sentence.subject)
    first, last = (r2_on_new_sentences(np.array(states)[:, at], np.array(number)) for at in (0, 1))
    assert first < 0.1
    assert last > 0.3


def r2_on_new_sentences(features: np.ndarray, target: np.ndarray) -> float:
    return float(np.mean(cross_val_score(RidgeCV(np.logspace(-2, 4, 13)), features, target, cv=5)))


def test_ceilings_are_as_planted(cohort: Path) -> None:
    """Two presentations of a stimulus correlate by the planted share of variance."""
    truth = pd.read_csv(cohort / "truth" / "electrodes.csv")
    found, planted = [], []
    for name, table in truth.groupby("subject"):
        subject = read_responses(cohort / f"{name}.npz", str(name))
        by_stimulus: dict[str, list[np.ndarray]] = {}
        for stimulus, trial in zip(subject.stimuli, subject.trials, strict=True):
            by_stimulus.setdefault(stimulus, []).append(trial)
        repeated = [trials for trials in by_stimulus.values() if len(trials) == 8]
        first, second = (np.concatenate([trial for trials in repeated for trial in trials[k::2]]) for k in (0, 1))
        found += [np.corrcoef(first[:, e], second[:, e])[0, 1] for e in range(32)]
        planted += table["ceiling"].tolist()
    assert np.abs(np.array(found) - planted).max() < 0.12
    assert abs(np.mean(np.array(found) - planted)) < 0.02


def test_noiseless_responses_are_the_latents_through_their_filters(cohort: Path) -> None:
    """A filter's response to an impulse peaks at its latency; nothing comes before the sound."""
    for latency in (0.06, 0.13, 0.22):
        kernel = responses.temporal_filter(latency)
        assert abs(np.argmax(kernel) / responses.SFREQ - latency) <= 0.5 / responses.SFREQ
        assert abs(kernel.sum() - 1) < 1e-12
    truth = read_responses(cohort / "truth" / "S1.npz", "S1")
    silent = [e for e, name in enumerate(truth.electrodes) if name.startswith("silent")]
    assert all((trial[:, silent] == 0).all() for trial in truth.trials)


def test_words_are_where_their_sound_is() -> None:
    audio, words = sound.speak(["bada", "ti"], np.array([0.0, 1.0]), np.random.default_rng(0))
    inside = np.zeros(len(audio), dtype=bool)
    for word in words:
        inside[round(word.start * sound.SFREQ) : round(word.end * sound.SFREQ)] = True
    assert np.abs(audio[~inside]).max() < 1e-2 < 0.4 < np.abs(audio[inside]).max() <= 0.5


def test_an_accent_is_heard_and_brightness_is_not_loudness() -> None:
    def loudness(accent: float) -> float:
        audio, words = sound.speak(["bada", "bada"], np.array([accent, 0.0]), np.random.default_rng(0))
        first, second = (audio[round(w.start * sound.SFREQ) : round(w.end * sound.SFREQ)] for w in words)
        return float(np.std(first) / np.std(second))

    assert loudness(1.0) / loudness(-1.0) == pytest.approx(np.exp(2 * sound.ACCENT), rel=0.05)
    bands = np.random.default_rng(0).uniform(0.5, 1.0, (50, 4))
    np.testing.assert_allclose(responses.timbre_latent(3 * bands), responses.timbre_latent(bands))
    quiet = np.vstack([bands, 1e-3 * bands])
    assert not responses.timbre_latent(quiet)[50:].any()


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range(tmp_path: Path, seed: int) -> None:
    with pytest.raises(InputError, match="--seed"):
        simulate_cohort(tmp_path / "new", seed=seed)
    assert not (tmp_path / "new").exists()


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        simulate_cohort(tmp_path / "thesis.txt")


def test_the_callers_random_numbers_stay(tmp_path: Path) -> None:
    import torch

    before = torch.random.get_rng_state()
    models.write_language_model(tmp_path, text.make_lexicon(np.random.default_rng(0)), seed=3)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        simulate_cohort(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
