"""Reads a configuration, and writes it."""

import re
import reprlib
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Type

import yaml
from pydantic import BaseModel, ValidationError
from typing_extensions import get_args, get_origin

from edgeflownas.config.data import DATA_KINDS
from edgeflownas.config.run import FORMS, Config
from edgeflownas.config.section import Section
from edgeflownas.errors import InputError

_LARGEST = 1 << 18  # bytes of a file
_VALUES = 50_000  # that a file may hold, those counted again that YAML's aliases repeat
_DIGITS = 100
_SHOWN = 80  # letters of a key or a text that is wrong


class _Loader(yaml.SafeLoader):
    """YAML that reads 1e-4 as a number and refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = getattr(key, "value", None)
            if isinstance(name, str):
                if (key.tag, name) in seen:
                    said = f"key {name!r:.80} stands twice"
                    raise yaml.constructor.ConstructorError(None, None, said, node.start_mark)
                seen.add((key.tag, name))
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > _DIGITS:  # which Python takes seconds to read
            raise yaml.constructor.ConstructorError(None, None, "a number of too many digits", node.start_mark)
        return int(super().construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a configuration file.

    Args:
        path: of the YAML file.
        overrides: ``section.key=value`` each, the value in YAML.

    Raises:
        InputError: the file cannot be read, or does not say what a configuration says.
    """
    content = read_yaml(path, "config")
    for override in overrides:
        _override(content, override)
    return validate(content, Config, f"config {path}")


def read_yaml(path: Path, what: str) -> Dict[Any, Any]:
    """Reads keys and values from a YAML file, which may make nothing but plain data.

    Args:
        path: of the file.
        what: it is, to be named in errors.

    Raises:
        InputError: the file cannot be read, or is not YAML, or holds something else.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        content = _parsed(text.decode())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{what} {path}: cannot be read: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{what} {path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{what} {path}: must hold keys and values, not {type(content).__name__}")
    return content


def _parsed(text: str) -> Any:
    """The content of a YAML text.

    Raises:
        YAMLError, ValueError, RecursionError: it is none, or too much.
    """
    if len(text) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST} bytes")
    content = yaml.load(text, _Loader)
    waiting, count = [content], 0
    while waiting:
        each = waiting.pop()
        inner = [*each, *each.values()] if isinstance(each, dict) else each if isinstance(each, (list, set)) else []
        count += len(inner)
        if count > _VALUES:
            raise ValueError(f"it holds more than {_VALUES} values")
        waiting.extend(inner)
    return content


def _override(content: Dict[Any, Any], override: str) -> None:
    """Puts one ``section.key=value`` into the content of a file."""
    name, equals, text = override.partition("=")
    said = f"--set {' '.join(override.split())[:_SHOWN]}"
    if not equals or not name:
        raise InputError(f"{said}: must be section.key=value")
    *sections, key = name.split(".")
    place: Any = content
    for number, section in enumerate(sections, 1):
        place = _inside(place, section, said)
        if not isinstance(place, (dict, list)):
            raise InputError(f"{said}: {'.'.join(sections[:number])} is a value, not a section")
    if isinstance(place, list):
        raise InputError(f"{said}: {'.'.join(sections)} is a list; give it as a whole, or name a key of an item")
    try:
        place[key] = _parsed(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(f"{said}: the value is not YAML") from None


def _inside(place: Any, name: str, said: str) -> Any:
    """What a section holds under a name, made if it is not there; or a list, under a number."""
    if isinstance(place, dict):
        return place.setdefault(name, {})
    if not name.isdecimal() or int(name) >= len(place):
        raise InputError(f"{said}: {name} is no item of a list of {len(place)}, which are numbered from 0")
    return place[int(name)]


_SHORT = reprlib.Repr()  # of a value from a hostile file, whose full text may not fit the memory
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80


def validate(content: Any, model: Type[Section], source: str) -> Any:
    """Checks content against a model.

    Raises:
        InputError: names the first key that is wrong, and what is allowed there.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part not in DATA_KINDS and part not in FORMS]
        key = ".".join(" ".join(part.split())[:_SHOWN] for part in place) or "the whole"
        if first["type"] == "extra_forbidden":
            allowed = ", ".join(_keys(content, model, place[:-1]))
            raise InputError(f"{source}: {key}: no such key; allowed here: {allowed}") from None
        if first["type"] == "missing":
            raise InputError(f"{source}: {key}: is missing and has no default") from None
        raise InputError(f"{source}: {key}: {_lower(first['msg'])} (got {_SHORT.repr(first['input'])})") from None


def _lower(message: str) -> str:
    message = message.replace("Value error, ", "").replace("Input should", "should")
    return message[:1].lower() + message[1:]


def _keys(content: Any, model: Type[BaseModel], place: Sequence[str]) -> List[str]:
    """The keys allowed in the section at a place."""
    for part in place:
        if isinstance(content, list):  # the model is already that of its items
            content = content[int(part)]
            continue
        content = content.get(part) if isinstance(content, dict) else None
        if part not in model.model_fields:  # a key of a mapping: the model is already that of its values
            continue
        models = list(_models(model.model_fields[part].annotation, isinstance(content, list)))
        if isinstance(content, dict) and content.get("kind") in DATA_KINDS:
            models = [DATA_KINDS[content["kind"]]]
        if not models:
            return []
        model = models[0]
    return list(model.model_fields)


def _models(annotation: Any, in_list: bool) -> Iterator[Type[BaseModel]]:
    """The sections that a type allows: in lists, or not in lists."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not in_list:
            yield annotation
        return
    is_list = get_origin(annotation) is list
    for each in get_args(annotation):
        yield from _models(each, in_list and not is_list)


def dump(config: Section) -> str:
    """Writes a configuration, defaults included, as YAML that load reads back to an equal one."""
    return str(yaml.safe_dump(config.model_dump(), sort_keys=False))
