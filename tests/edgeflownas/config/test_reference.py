"""The reference page matches the definitions of the keys."""

from pathlib import Path

from pydantic import Field

from edgeflownas.config import DATA_KINDS, Config, Section
from edgeflownas.config.reference import _table, reference

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_page_is_up_to_date():
    assert PAGE.read_text() == reference(), "the definitions have changed: run `make docs`"


def test_page_contains_every_key():
    page = reference()
    for name, field in Config.model_fields.items():
        assert f"`{name}`" in page
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            part = page[page.index(f"\n## `{name}`") :]
            part = part[: part.find("\n## ", 4)]
            assert all(f"\n| `{key}` |" in part for key in field.annotation.model_fields)
    assert all(f"`kind: {kind}`" in page for kind in DATA_KINDS)


def test_table_shows_type_bounds_default_and_meaning():
    class Some(Section):
        share: float = Field(0.25, gt=0, le=1, description="Share of a | b.")
        words: list = Field([], description="")
        must: int = Field(multiple_of=4)

    schema = Some.model_json_schema()
    lines = _table(schema["properties"], schema["required"]).splitlines()
    assert lines[2] == "| `share` | number > 0, ≤ 1 | `0.25` | Share of a \\| b. |"
    assert lines[3] == "| `words` | list | `[]` |  |"
    assert lines[4] == "| `must` | integer multiple of 4 | *required* |  |"
