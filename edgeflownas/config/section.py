"""Base class of the sections of a configuration, paths, and integers that keep the text they were written as."""

import os
from typing import Any, Type

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from typing_extensions import Annotated

PathText = Annotated[str, AfterValidator(os.path.expanduser)]  # path of a file or folder; ~ is the home folder


class WrittenInt(int):
    """Integer that keeps its text: 000000000 is 0, but may be the digits of an architecture.

    Attributes:
        text: The digits as written.
    """

    text: str

    def __new__(cls: Type["WrittenInt"], text: str) -> "WrittenInt":
        """Parse an integer written as in YAML 1.2."""
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        number = super().__new__(cls, text[2:] if base != 10 else text, base)
        number.text = text
        return number

    def __repr__(self) -> str:
        """Return the digits as written, for use in messages."""
        return self.text

    @staticmethod
    def as_written(value: Any) -> Any:
        """Return a number as text; anything else remains as it is."""
        if isinstance(value, WrittenInt):
            return value.text
        return str(value) if type(value) is int else value


Digits = Annotated[str, BeforeValidator(WrittenInt.as_written), Field(pattern=r"^[0-9]+$")]  # an architecture


class Section(BaseModel):
    """Section of a configuration; rejects unknown keys and converts no types. An empty one has all defaults."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _fill_empty(cls, content: Any) -> Any:
        return {} if content is None else content
