"""What every table of a study.toml is made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=-3600, le=3600)]
Name = Annotated[str, Field(pattern=r"^[\w.+-]+$")]
Device = Literal["auto", "cpu", "cuda"]


class Section(BaseModel):
    """A section of the file: no key it does not know, no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
