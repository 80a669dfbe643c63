"""What `heschl init` writes is a study.toml, and says every key."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from heschl.cli import app
from heschl.study.config.analyses import Shared
from heschl.study.config.encoding import Encoding
from heschl.study.config.study import Controls, ResponseFiles, Stimuli, Store, Study, read_study
from heschl.study.config.template import TEMPLATE


def test_it_is_a_study_and_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    said = CliRunner().invoke(app, ["init", str(path)])
    assert said.exit_code == 0 and path.read_text() == TEMPLATE
    study = read_study(path)
    assert list(study.features) == ["mel", "wav2vec2", "gpt2", "glove"] and study.shared is not None
    assert study.encoding == Encoding(alphas=study.encoding.alphas)
    assert CliRunner().invoke(app, ["init", str(path)]).exit_code == 2


def test_every_key_is_said() -> None:
    for section in (Study, Stimuli, ResponseFiles, Encoding, Controls, Store):
        for key in section.model_fields:
            assert (
                f"{key} =" in TEMPLATE
                or f"{key}]" in TEMPLATE
                or f"[{key}." in TEMPLATE
                or key in ("word_tier", "phone_tier")
            ), key
    for key in ("speech", "language", "layers", "n_components", "level", "coords", "scope", "sweep"):
        assert key in Shared.model_fields and f"{key} =" in TEMPLATE
