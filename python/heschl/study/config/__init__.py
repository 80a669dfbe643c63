"""What a study.toml may say."""

from heschl.study.config.study import Study, read_study
from heschl.study.config.template import write_template

__all__ = ["Study", "read_study", "write_template"]
