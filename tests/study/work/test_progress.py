"""Progress where no bar can be drawn: a line now and then, with the time left."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from heschl.study.work import progress
from heschl.study.work.progress import Reporter


def test_a_pipe_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    text = io.StringIO()
    with Reporter(Console(file=text, width=200)).stage("encoding", 10) as advance:
        for done in range(1, 10):
            now[0] += 12.0
            advance(done)
    lines = text.getvalue().splitlines()
    assert lines[0] == "encoding: 30%, about 1 min 24 s left"
    assert [line for line in lines if "left" in line] == lines[:-1] and len(lines) == 4
    assert lines[-1] == "encoding: 1 min 48 s"


def test_a_short_stage_says_its_end_alone() -> None:
    text = io.StringIO()
    with Reporter(Console(file=text, width=200)).stage("inputs", 2) as advance:
        advance(1)
    assert len(text.getvalue().splitlines()) == 1
