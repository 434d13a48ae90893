"""Reference of all keys in Markdown, generated from their definitions; ``make docs`` writes docs/configuration.md."""

import json
from typing import Any, Dict, Iterator, List, Optional, Type

from edgeflownas.config.data import DATA_KINDS, FileData
from edgeflownas.config.run import Config
from edgeflownas.config.section import Section
from edgeflownas.config.training import StageConfig, TrainConfig

_HEAD = """# Configuration reference

This page lists every configuration key. A configuration is a YAML file. Any key can be overridden on the command line
with `--set section.key=VALUE`. [Concepts](concepts.md) explains the terms.

- Keys without a default are *required*. A section without required keys may be left out.
- An unknown key, a wrong type or an invalid value is an error. The message names the key and the allowed values.
- Values follow the core rules of YAML 1.2: `1:30`, `yes` and `1_000` are text, `010` is 10, and `0o10` is 8. The digits
  of architectures are read as written, with or without quotes.

`make docs` generates this page from the definitions in `edgeflownas/config/`. Edit the definitions, not this page.
"""
_TABLE = "| key | value | default | meaning |\n|---|---|---|---|"
_BOUNDS = (
    ("minimum", "≥ {}"), ("exclusiveMinimum", "> {}"), ("maximum", "≤ {}"), ("exclusiveMaximum", "< {}"),
    ("multipleOf", "multiple of {}"),
)  # fmt: skip
_TYPES = {"integer": "integer", "number": "number", "string": "string", "boolean": "`true`, `false`", "null": "`null`"}

Schema = Dict[str, Any]


def reference() -> str:
    """Return the reference of all keys: their values, defaults and meaning."""
    schema = Config.model_json_schema()
    properties: Schema = schema["properties"]
    plain = {name: key for name, key in properties.items() if _section(key) is None and name != "data"}
    parts = [_HEAD, "## Top level\n", _table(plain, schema.get("required", []))]
    for name, key in properties.items():
        section = _section(key)
        if name == "data":
            parts += _describe_data()
        elif section is not None:
            parts.append(_describe(f"## `{name}`", schema["$defs"][section], {}))
        if name == "queue":
            parts.append(_describe_recipe())
    return "\n".join(parts)


def _describe(heading: str, schema: Schema, hidden: Schema) -> str:
    """Return a section: its heading, its description, and its keys except hidden ones."""
    shown = {name: key for name, key in schema["properties"].items() if hidden.get(name) != key and name != "kind"}
    table = _table(shown, schema.get("required", []))
    return f"{heading}\n\n{_join_lines(schema.get('description', ''))}\n\n{table}"


def _describe_data() -> Iterator[str]:
    """Yield the keys that data sets in files share, then the data sets with their own keys."""
    shared = FileData.model_json_schema()["properties"]
    text = (
        "The data set, selected by `kind`. [data.md](data.md) describes the layouts. All data sets in files have these "
        "keys:"
    )
    yield f"## `data`\n\n{text}\n"
    yield _table({name: key for name, key in shared.items() if name != "kind"}, [])
    kinds: Dict[Type[Section], List[str]] = {}
    for kind, model in DATA_KINDS.items():
        kinds.setdefault(model, []).append(kind)
    for model, names in kinds.items():
        yield _describe("### `kind: " + "`, `kind: ".join(names) + "`", model.model_json_schema(), shared)


def _describe_recipe() -> str:
    """Return the keys of the retraining recipe."""
    known = TrainConfig.model_json_schema()["properties"]
    own = {name: key for name, key in StageConfig.model_json_schema()["properties"].items() if name not in known}
    return (
        "### `queue.train`\n\nA recipe has the keys "
        + ", ".join(f"`{name}`" for name in known)
        + " of [`train`](#train), with the same defaults. Recipes in a list may also have:\n\n"
        + _table(own, [])
    )


def _table(properties: Schema, required: List[str]) -> str:
    rows = [_TABLE]
    for name, key in properties.items():
        default = "*required*" if name in required or "default" not in key else f"`{_format(key['default'])}`"
        if key.get("default") and isinstance(key["default"], dict):
            default = "the defaults of its keys"
        cells = f"`{name}`", _describe_values(key), default, key.get("description", "")
        rows.append("| " + " | ".join(_join_lines(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _describe_values(schema: Schema) -> str:
    """Return the allowed values of a key in words."""
    for alternatives in ("anyOf", "oneOf", "allOf"):
        if alternatives in schema:
            return " or ".join(dict.fromkeys(_describe_values(alternative) for alternative in schema[alternatives]))
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return "a data set as in [`data`](#data)" if name.endswith("Data") else "recipe"
    if "enum" in schema:
        return ", ".join(f"`{_format(value)}`" for value in schema["enum"])
    if schema.get("type") == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        kind = f"list of {least}" if least and least == most else "non-empty list" if least else "list"
        return f"{kind} ({_describe_values(schema['items'])})" if schema.get("items") else kind
    if schema.get("type") == "object":
        return "mapping"
    bounds = [text.format(_format(schema[key])) for key, text in _BOUNDS if key in schema]
    return " ".join([_TYPES[schema["type"]], ", ".join(bounds)]).strip()


def _section(schema: Schema) -> Optional[str]:
    """Return the name of the section if a key is a section; None if it is a value."""
    schemas = (schema, *schema.get("allOf", ()))
    return next((str(part["$ref"]).rsplit("/", 1)[-1] for part in schemas if "$ref" in part), None)


def _format(value: Any) -> str:
    """Return a value as YAML writes it."""
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value).strip('"')


def _join_lines(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    print(reference(), end="")
