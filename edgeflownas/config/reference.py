"""The reference of all keys, as Markdown, read from their definitions; ``make docs`` writes docs/configuration.md."""

import json
from typing import Any, Dict, Iterator, List, Tuple, Type

from edgeflownas.config.data import DATA_KINDS, FileData
from edgeflownas.config.run import Config, StageConfig, TrainConfig
from edgeflownas.config.section import Section

_HEAD = """# Every key of a configuration

Written by `make docs` from the definitions in `edgeflownas/config/`: change those. A configuration is a YAML file; any
key can be set on the command line, `--set section.key=VALUE`. An unknown key, a wrong type or an impossible value is
refused with the key's name and what is allowed. *required*: there is no default.
"""
_TABLE = "| key | what it may be | default | meaning |\n|---|---|---|---|"
# How bounds are written.
_BOUNDS = (
    ("minimum", "from {}"), ("exclusiveMinimum", "over {}"), ("maximum", "to {}"), ("exclusiveMaximum", "under {}"),
    ("multipleOf", "a multiple of {}"),
)  # fmt: skip
_TYPES = {"integer": "integer", "number": "number", "string": "text", "boolean": "true, false", "null": "null"}

Schema = Dict[str, Any]


def reference() -> str:
    """All keys of a run with what they may be, their defaults and their meaning."""
    schema = Config.model_json_schema()
    plain = {name: each for name, each in schema["properties"].items() if _section(each) is None and name != "data"}
    parts = [_HEAD, "## The run\n", _table(plain, schema.get("required", []))]
    for name, each in schema["properties"].items():
        section = _section(each)
        if name == "data":
            parts += _data()
        elif section is not None:
            parts.append(_described(f"## `{name}`", schema["$defs"][section]))
        if name == "queue":
            parts.append(_stages())
    return "\n".join(parts)


def _described(heading: str, schema: Schema) -> str:
    """A section: its heading, what it is, and its keys."""
    table = _table(schema["properties"], schema.get("required", []))
    return f"{heading}\n\n{_line(schema.get('description', ''))}\n\n{table}"


def _data() -> Iterator[str]:
    """The data sets: what those in files have in common, then what each has of its own."""
    common = FileData.model_json_schema()
    shared = {name: each for name, each in common["properties"].items() if name != "kind"}
    yield "## `data`\n\n`kind` says which data set; [layouts](data.md). Keys of every data set in files:\n"
    yield _table(shared, [])
    kinds: Dict[Type[Section], List[str]] = {}
    for kind, model in DATA_KINDS.items():
        kinds.setdefault(model, []).append(kind)
    for model, names in kinds.items():
        schema = model.model_json_schema()
        own = {name: each for name, each in schema["properties"].items() if name != "kind" and shared.get(name) != each}
        heading = "### `kind: " + "`, `kind: ".join(names) + "`"
        yield f"{heading}\n\n{_line(schema['description'])}\n\n{_table(own, schema.get('required', []))}"


def _stages() -> str:
    """What the recipe of a retraining is."""
    known = TrainConfig.model_json_schema()["properties"]
    own = {name: each for name, each in StageConfig.model_json_schema()["properties"].items() if name not in known}
    return (
        "### `queue.train`\n\nA recipe has the keys "
        + ", ".join(f"`{name}`" for name in known)
        + " of [`train`](#train), with the same defaults. In a list of recipes each may also have:\n\n"
        + _table(own, [])
    )


def _table(properties: Schema, required: List[str]) -> str:
    rows = [_TABLE]
    for name, each in properties.items():
        default = "*required*" if name in required or "default" not in each else f"`{_value(each['default'])}`"
        cells = f"`{name}`", _kind(each), default, each.get("description", "")
        rows.append("| " + " | ".join(_line(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _kind(schema: Schema) -> str:
    """What a key may be, in words."""
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return "; or ".join(dict.fromkeys(_kind(each) for each in schema[several]))
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return "a data set, as [`data`](#data)" if name.endswith("Data") else "a recipe"
    if "enum" in schema:
        return ", ".join(f"`{_value(each)}`" for each in schema["enum"])
    if schema.get("type") == "array":
        items = _kind(schema["items"]) if schema.get("items") else ""
        return f"list{items and ', each '}{items}{_length(schema)}"
    if schema.get("type") == "object":
        return "keys and values"
    bounds = [text.format(_value(schema[key])) for key, text in _BOUNDS if key in schema]
    return ", ".join([_TYPES[schema["type"]], *bounds])


def _length(schema: Schema) -> str:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if least and least == most:
        return f"; {least} of them"
    return "; at least one" if least else ""


def _section(schema: Schema) -> Any:
    """The name of the section that a key is; None for a value."""
    found: Tuple[Schema, ...] = (schema, *schema.get("allOf", ()))
    return next((each["$ref"].rsplit("/", 1)[-1] for each in found if "$ref" in each), None)


def _value(value: Any) -> str:
    """A value as YAML has it."""
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value).strip('"')


def _line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    print(reference(), end="")
