"""What a person reads: figures, summary, methods, one HTML page."""

from heschl.study.report.html import write_report

__all__ = ["write_report"]
