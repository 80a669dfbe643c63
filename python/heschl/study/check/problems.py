"""How many problems of one kind become one line."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable

from heschl.checks import InputError
from heschl.study.kinds.problems import NAMED, Problem, Severity
from heschl.timing.validate import Finding

ORDER: tuple[Severity, ...] = ("error", "warning", "note")


def attempt(problems: list[Problem], work: Callable[[], object]) -> bool:
    """Do a piece of work; an error that it raises becomes a problem. Return whether there was none."""
    try:
        work()
    except InputError as error:
        problems.append(Problem.of(error))
        return False
    return True


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems once each, errors first."""
    return sorted(dict.fromkeys(problems), key=lambda problem: ORDER.index(problem.severity))


def grouped(key: str, findings: Iterable[Finding], remedies: dict[str, str]) -> list[Problem]:
    """Put the findings of transcripts that are alike into one line each.

    Parameters
    ----------
    key : str
        Of the study.toml.
    findings : iterable of Finding
        From `heschl.timing.validate`.
    remedies : dict of str to str
        By what the finding's expectation contains.

    Returns
    -------
    list of Problem
    """
    alike: dict[tuple[Severity, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        alike[finding.severity, _kind(finding.expected)].append(finding)
    out = []
    for (severity, kind), found in alike.items():
        places = "; ".join(f"{finding.place}: {finding.found}" for finding in found[:NAMED])
        more = f" … {len(found)} such places" if len(found) > NAMED else ""
        expected = found[0].expected if len(found) == 1 else kind
        remedy = next((text for part, text in remedies.items() if part in kind), "")
        out.append(Problem(severity, key, f"{places}{more}", expected, remedy))
    return out


def _kind(expected: str) -> str:
    """Return an expectation without its numbers and words, so that those of one kind are equal."""
    if expected.endswith("as in the text"):
        return "the words of the running text"
    return re.sub(r", which lasts .*", "", expected)
