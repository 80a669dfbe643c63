"""The one table of analyses; a new one is a file beside this one and a row here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heschl.study.analyses.analysis import Analysis
from heschl.study.analyses.audit import Audit
from heschl.study.analyses.ceilings import Ceilings
from heschl.study.analyses.commonality import Commonality
from heschl.study.analyses.components import Components
from heschl.study.analyses.encoding import EncodingAnalysis
from heschl.study.analyses.exchange import Exchange
from heschl.study.analyses.joint import JointAnalysis
from heschl.study.analyses.layer_map import LayerMap
from heschl.study.analyses.published import Published
from heschl.study.analyses.shared import SharedAnalysis
from heschl.study.analyses.time_course import TimeCourse
from heschl.study.analyses.word_lags import WordLagAnalysis
from heschl.study.config.study import Study

if TYPE_CHECKING:
    import xarray as xr

ANALYSES: tuple[Analysis, ...] = (
    EncodingAnalysis(),
    Exchange(),
    TimeCourse(),
    Ceilings(),
    JointAnalysis(),
    SharedAnalysis(),
    Components(),
    Commonality(),
    LayerMap(),
    Published(),
    WordLagAnalysis(),
    Audit(),
)
"""In the order in which they are done."""


def wanted(study: Study) -> list[Analysis]:
    """Return the analyses that a study asks for."""
    return [analysis for analysis in ANALYSES if analysis.wanted(study)]


def with_needs(analyses: list[Analysis], names: tuple[str, ...]) -> list[Analysis]:
    """Return the analyses that are named, each after those that it needs."""
    needed = {name for analysis in analyses if analysis.name in names for name in (analysis.name, *analysis.needs)}
    return [analysis for analysis in analyses if analysis.name in needed]


def present(results: xr.Dataset) -> list[Analysis]:
    """Return the analyses that results have."""
    return [analysis for analysis in ANALYSES if analysis.present(results)]
