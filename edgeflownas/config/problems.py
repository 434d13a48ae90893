"""Descriptions of the wrong keys of a configuration: what is allowed, and what was probably meant."""

import reprlib
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple, Type

from pydantic import BaseModel, ValidationError
from typing_extensions import get_args, get_origin

from edgeflownas.config.data import DATA_KINDS
from edgeflownas.config.training import FORMS
from edgeflownas.wording import join, suggest

_MAX_PLACES = 3  # at which a key of another section may be meant to be
_SHOWN = 80  # characters of a wrong key that a message quotes
_SHORT = reprlib.Repr()  # for values from hostile files, whose full text may not fit into memory
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80

Place = Tuple[str, ...]  # of a key: the names of the sections around it, and its own


def describe_problems(error: ValidationError, content: Any, model: Type[BaseModel]) -> List[str]:
    """Return a description of every wrong key.

    A section that is missing because its name is misspelt is mentioned only once.

    Args:
        error: Error that pydantic raised for the content.
        content: Content of a file.
        model: Class of the section that the content describes.
    """
    problems: Dict[Place, str] = {}
    missing: List[Place] = []
    meant = set()
    for wrong in error.errors(include_url=False):
        place = tuple(str(part) for part in wrong["loc"] if part not in DATA_KINDS and part not in FORMS)
        if wrong["type"] == "missing":
            missing += _find_required(content, model, place)
        elif wrong["type"] == "union_tag_not_found":
            written = suggest("kind", map(str, wrong["input"] or ()))
            if written is None:
                missing.append((*place, "kind"))
            else:
                problems[(*place, written)] = "no such key (did you mean kind?)"
        elif wrong["type"] == "union_tag_invalid":
            problems[(*place, "kind")] = _describe_kind(wrong["input"])
        elif wrong["type"] == "extra_forbidden":
            allowed = _keys(content, model, place[:-1])
            likely = suggest(place[-1], allowed)
            if likely is not None:
                meant.add((*place[:-1], likely))
            problems[place] = _describe_unknown(place, likely, allowed, model)
        elif wrong["type"] == "model_attributes_type" and wrong["input"] is None:  # an empty section
            missing += _find_required(content, model, place)
        else:
            key, value, message = _narrow(wrong["input"], _reword(wrong["msg"]))
            problems[(*place, *key)] = f"{message} (got {_SHORT.repr(value)})"
    described = [f"{_format(place)}: {problem}" for place, problem in problems.items()]
    names = [_format(place) for place in missing if not any(place[: len(other)] == other for other in meant)]
    if names:
        are_missing = "is missing and has" if len(names) == 1 else "are missing and have"
        described.append(f"{join(names)}: {are_missing} no default")
    return described


def _describe_unknown(place: Place, likely: Any, allowed: Sequence[str], model: Type[BaseModel]) -> str:
    """Describe an unknown key, and suggest a similar key, a key of this name in another section, or all keys."""
    elsewhere = dict.fromkeys(_format(other) for other in _all_keys(model) if other[-1] == place[-1])
    if _format(place) in elsewhere:  # as a key of the items of a list
        section = _format(place[:-1])
        return f"no such key (only an item of a list has it; write {section} as a list, or leave the key out)"
    if likely or elsewhere:
        return f"no such key (did you mean {likely or ' or '.join(list(elsewhere)[:_MAX_PLACES])}?)"
    return f"no such key (allowed here: {', '.join(allowed)})"


def _describe_kind(content: Any) -> str:
    kind = content.get("kind") if isinstance(content, dict) else content
    likely = suggest(str(kind)[:_SHOWN], DATA_KINDS)
    hint = f"did you mean {likely}?" if likely else f"allowed: {', '.join(DATA_KINDS)}"
    return f"no such kind of data ({hint}; got {_SHORT.repr(kind)})"


def _reword(message: str) -> str:
    message = message.replace("Value error, ", "").replace("Input should", "should")
    if "valid dictionary" in message:
        message = "should be a section with keys and values"
    message = message.replace("a valid boolean", "true or false")
    message = message.replace("a valid string", "text, in quotes if it looks like a number")
    return message[:1].lower() + message[1:]


def _narrow(value: Any, message: str) -> Tuple[Place, Any, str]:
    """Return the key in a section that a message begins with, its value, and the rest of the message."""
    key, colon, rest = message.partition(": ")
    if colon and isinstance(value, dict) and key in value:
        return (key,), value[key], rest
    return (), value, message


def _format(place: Place) -> str:
    return ".".join(" ".join(part.split())[:_SHOWN] for part in place) or "the content"


def _find_required(content: Any, model: Type[BaseModel], place: Place) -> List[Place]:
    """Return the keys to add where a key or section is missing: those inside a section that have no default."""
    fields = _fields(content, model, place[:-1])
    if place[-1] not in fields:
        return [place]
    models = list(_models(fields[place[-1]].annotation, in_list=False))
    if len(models) > 1:  # a data set, whose kind decides about its keys
        return [(*place, "kind")]
    inner = [name for section in models for name, field in section.model_fields.items() if field.is_required()]
    return [(*place, name) for name in inner] or [place]


def _keys(content: Any, model: Type[BaseModel], place: Sequence[str]) -> List[str]:
    """Return the keys that are allowed in the section at a location."""
    return list(_fields(content, model, place))


def _fields(content: Any, model: Type[BaseModel], place: Sequence[str]) -> Mapping[str, Any]:
    """Return the keys of the section at a location, with their definitions."""
    for part in place:
        if isinstance(content, list):  # the model is that of its items
            content = content[int(part)]
            continue
        content = content.get(part) if isinstance(content, dict) else None
        if part not in model.model_fields:  # a key of a mapping: the model is that of its values
            continue
        models = list(_models(model.model_fields[part].annotation, isinstance(content, list)))
        if isinstance(content, dict) and content.get("kind") in DATA_KINDS:
            models = [DATA_KINDS[content["kind"]]]
        if not models:
            return {}
        model = models[0]
    return model.model_fields


def _all_keys(model: Type[BaseModel], place: Place = ()) -> Iterator[Place]:
    """Yield the keys of a section and of the sections in it."""
    for name, field in model.model_fields.items():
        yield (*place, name)
        for section in _models(field.annotation, in_list=False):
            yield from _all_keys(section, (*place, name))


def _models(annotation: Any, in_list: bool) -> Iterator[Type[BaseModel]]:
    """Yield the sections that a type allows, either inside or outside lists."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not in_list:
            yield annotation
        return
    is_list = get_origin(annotation) is list
    for argument in get_args(annotation):
        yield from _models(argument, in_list and not is_list)
