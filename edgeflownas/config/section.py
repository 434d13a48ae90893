"""Base class of the sections of a configuration."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Section of a configuration; refuses unknown keys and converts no types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True, allow_inf_nan=False)
