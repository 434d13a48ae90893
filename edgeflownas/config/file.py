"""Reading, validating and writing of configuration files."""

import re
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Sequence, Tuple, Type

import yaml
from pydantic import ValidationError

from edgeflownas.config.problems import describe_problems
from edgeflownas.config.run import Config
from edgeflownas.config.section import Section, WrittenInt
from edgeflownas.errors import InputError, find_reason
from edgeflownas.wording import format_count, suggest

_MAX_BYTES = 1 << 18  # of a file
_MAX_VALUES = 50_000  # in a file; values that YAML aliases repeat count every time
_MAX_DIGITS = 100  # of a number
_MAX_PROBLEMS = 10  # wrong keys that a message names
_SHOWN = 80  # characters of a wrong text that a message quotes


# The core rules of YAML 1.2 (section 10.3.2) for plain scalars; those of 1.1, which PyYAML has, read 1:30 as 90 and 010
# as 8. Merge keys (<<) are kept. Everything else is text.
_CORE = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("merge", r"<<", "<"),
)


class _Loader(yaml.SafeLoader):
    """YAML loader that follows the core rules of YAML 1.2 and rejects duplicate keys."""

    yaml_implicit_resolvers: Dict[str, Any] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = getattr(key, "value", None)
            if isinstance(name, str):
                if (key.tag, name) in seen:
                    message = f"duplicate key {name!r:.80}"
                    raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
                seen.add((key.tag, name))
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > _MAX_DIGITS:  # Python would take seconds to parse it
            raise yaml.constructor.ConstructorError(None, None, "a number has too many digits", node.start_mark)
        number = WrittenInt(node.value)
        return number if number.text != str(int(number)) else int(number)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        return float(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", node.value.lower()))


class _Dumper(yaml.SafeDumper):
    """YAML writer that quotes text that YAML 1.1 or 1.2 would not read as text."""


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)
for _tag, _pattern, _first in _CORE:
    _rule = re.compile(rf"^(?:{_pattern})$")
    _firsts = ["" if letter == "\0" else letter for letter in _first]
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _rule, _firsts)
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _rule, _firsts)


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration file.

    Args:
        path: Path of the YAML file.
        overrides: Settings that replace those of the file, as ``section.key=value`` with the value in YAML.

    Raises:
        InputError: The file cannot be read, or the configuration is invalid.
    """
    content = read_yaml(path, "config")
    for override in overrides:
        _override(content, override)
    return validate(content, Config, f"config {path}")


def read_yaml(path: Path, what: str) -> Dict[Any, Any]:
    """Read a mapping from a YAML file, which can create only plain data.

    Args:
        path: Path of the file.
        what: Kind of file, for error messages.

    Raises:
        InputError: The file cannot be read, is not valid YAML, or does not contain a mapping.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        content = _parse(text.decode())
    except UnicodeDecodeError:
        raise InputError(f"{what} {path}: is not a text file in UTF-8; save it in that encoding") from None
    except IsADirectoryError:
        raise InputError(f"{what} {path}: is a folder; name a YAML file{_name_example(path)}") from None
    except OSError as error:
        likely = suggest(path.name, [file.name for file in path.parent.glob("*.yaml")])
        hint = f"; did you mean {path.with_name(likely)}?" if likely and not path.exists() else ""
        raise InputError(f"{what} {path}: cannot be read: {find_reason(error)}{hint}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{what} {path}: is not valid YAML: {' '.join(str(error).split())}") from None
    if content is None:  # an empty file
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{what} {path}: must contain keys and values, not {type(content).__name__}")
    return content


def _name_example(folder: Path) -> str:
    """Return the end of a message that names a YAML file of a folder; empty if there is none."""
    files = sorted(folder.glob("*.yaml"))
    return f", such as {files[0]}" if files else ""


def _parse(text: str) -> Any:
    """Return the content of a YAML text.

    Raises:
        YAMLError, ValueError, RecursionError: The text is not YAML, or exceeds the limits.
    """
    if len(text) > _MAX_BYTES:
        raise ValueError(f"it is larger than {_MAX_BYTES} bytes")
    content = yaml.load(text, _Loader)
    waiting: List[Tuple[Any, FrozenSet[int]]] = [(content, frozenset())]  # values, and the ids of those around them
    count = 0
    while waiting:
        value, around = waiting.pop()
        if not isinstance(value, (dict, list, set)):
            continue
        if id(value) in around:
            raise ValueError("an alias stands inside the value that it refers to")
        inner = [*value, *value.values()] if isinstance(value, dict) else [*value]
        count += len(inner)
        if count > _MAX_VALUES:
            raise ValueError(f"it contains more than {_MAX_VALUES} values")
        waiting.extend((item, around | {id(value)}) for item in inner)
    return content


def _override(content: Dict[Any, Any], override: str) -> None:
    """Apply an override ``section.key=value`` to the content of a file."""
    name, equals, text = override.partition("=")
    option = f"--set {' '.join(override.split())[:_SHOWN]}"
    if not equals or not name:
        raise InputError(f"{option}: must be section.key=value")
    *sections, key = name.split(".")
    place: Any = content
    for number, section in enumerate(sections, 1):
        place = _descend(place, section, option)
        if not isinstance(place, (dict, list)):
            raise InputError(f"{option}: {'.'.join(sections[:number])} is a value, not a section")
    if isinstance(place, list):
        raise InputError(f"{option}: {'.'.join(sections)} is a list; set the whole list, or a key of an item")
    try:
        place[key] = _parse(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(f"{option}: the value is not valid YAML") from None


def _descend(place: Any, name: str, option: str) -> Any:
    """Return the named item of a section, creating it if it is missing, or the numbered item of a list."""
    if isinstance(place, dict):
        return place.setdefault(name, {})
    if not name.isdecimal() or int(name) >= len(place):
        raise InputError(f"{option}: there is no item {name} in a list of {len(place)}, numbered from 0")
    return place[int(name)]


def validate(content: Any, model: Type[Section], source: str) -> Any:
    """Validate content against a model, and return the model.

    Args:
        content: Content of a file.
        model: Class of the section that the content describes.
        source: Origin of the content, for error messages.

    Raises:
        InputError: The content is invalid; the message names all wrong keys and what is allowed.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = describe_problems(error, content, model)
        shown, more = problems[:_MAX_PROBLEMS], len(problems) - _MAX_PROBLEMS
        rest = f"; and {format_count(more, 'more problem')}" if more > 0 else ""
        raise InputError(f"{source}: {'; '.join(shown)}{rest}") from None


def dump(config: Section) -> str:
    """Return a configuration, including defaults, as YAML from which ``load`` restores an equal one."""
    return str(yaml.dump(config.model_dump(), Dumper=_Dumper, sort_keys=False))
