"""Frozen dataclasses <-> JSON, and dotted overrides.

A configuration is a frozen keyword-only dataclass beside the class that it configures. Where a field may
be one of several dataclasses, its JSON names which (`"kind": "UNetConfig"`), and only the classes that the
annotation lists are ever made: a file cannot name code to run.
"""

import dataclasses
import json
import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from rhinoise.core.errors import ConfigError, UnknownNameError

C = TypeVar("C")
KIND = "kind"


def to_json(config: Any) -> Any:
    """A dataclass (or a field's value) => plain JSON data; tuples become lists."""
    if dataclasses.is_dataclass(config):
        fields = {field.name: to_json(getattr(config, field.name)) for field in dataclasses.fields(config)}
        return {KIND: type(config).__name__} | fields
    if isinstance(config, list | tuple):
        return [to_json(item) for item in config]
    if isinstance(config, Mapping):
        return {key: to_json(value) for key, value in config.items()}
    return config


def from_json(wanted: type[C], data: Any, where: str = "") -> C:
    """JSON data => `wanted`, checked field by field; ConfigError says which field is wrong and why."""
    return _read(wanted, data, where)


def override(config: C, assignment: str) -> C:
    """The same configuration with one field changed: `a.b=c`, c as JSON or as a bare word.

    >>> override(recipe, "network.depth=4")
    """
    return overridden(config, [assignment])


def overridden(config: C, assignments: Iterable[str]) -> C:
    """The same configuration with fields changed one after the other, and checked as a whole at the end.

    So settings that depend on each other can be changed together.

    Raises:
        UnknownNameError: no setting of this name.
        ConfigError: a value of the wrong type, or values that do not go together.
    """
    data, changed = to_json(config), []
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(
                f"'{assignment}' is not a setting: write it as name=value, for example network.depth=4"
            )
        where = path.strip()
        _assign(type(config), data, where.split("."), _value(text.strip()), where)
        changed.append(f"'{where}'")
    try:
        return from_json(type(config), data)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{', '.join(changed)}: {error}") from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _assign(cls: type, data: dict[str, Any], path: list[str], value: Any, where: str) -> None:
    """Change one field in a configuration's JSON form, `data` being that of a `cls`."""
    hints = _hints(cls, where)
    name = _known(path[0], hints, ".".join(where.split(".")[: -len(path)]))
    if len(path) == 1:
        data[name] = to_json(_read(hints[name], value, where))
        return
    group = _class_of(hints[name], data[name])
    if group is None:
        raise ConfigError(f"'{where}' goes too deep: '{name}' is a value, not a group of settings")
    _assign(group, data[name], path[1:], value, where)


def _class_of(hint: Any, data: Any) -> type | None:
    """The dataclass that `data` is the JSON form of, among those that the annotation lists."""
    kind = data.get(KIND) if isinstance(data, dict) else None
    options = (hint, *get_args(hint))
    return next((option for option in options if _is_config(option) and option.__name__ == kind), None)


def _hints(cls: type, where: str) -> dict[str, Any]:
    if not dataclasses.is_dataclass(cls):
        raise ConfigError(f"'{where}' is not a group of settings")
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _known(name: str, hints: Mapping[str, Any], group: str) -> str:
    if name not in hints:
        raise UnknownNameError(f"setting of {group}" if group else "setting", name, hints)
    return name


def _read(hint: Any, data: Any, where: str) -> Any:
    origin, options = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _read_union(options, data, where)
    if origin is Literal:
        if data not in options:
            raise UnknownNameError(where or "setting", str(data), map(str, options))
        return data
    if origin is tuple:
        if not isinstance(data, list | tuple):
            raise ConfigError(f"{where} should be a list, not {data!r}")
        items = options[:1] * len(data) if options[1:] == (...,) else options
        if len(items) != len(data):
            raise ConfigError(f"{where} should have {len(items)} values, not {len(data)}")
        return tuple(_read(item, value, where) for item, value in zip(items, data, strict=True))
    if origin is dict or hint is dict:
        values = options[1] if options else Any
        return {name: _read(values, value, f"{where}.{name}") for name, value in data.items()}
    if dataclasses.is_dataclass(hint):
        return _read_dataclass(hint, data, where)
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if hint is Any or (isinstance(data, hint) and not (hint is int and isinstance(data, bool))):
        return data
    raise ConfigError(f"{where or 'the value'} should be of type {hint.__name__}, not {data!r}")


def _read_union(options: tuple[Any, ...], data: Any, where: str) -> Any:
    if data is None and type(None) in options:
        return None
    classes = {option.__name__: option for option in options if _is_config(option)}
    if isinstance(data, dict) and classes:
        kind = data.get(KIND, "")
        if kind not in classes:
            raise UnknownNameError(f"kind of {where}", kind, classes)
        return _read(classes[kind], data, where)
    for option in options:
        try:
            return _read(option, data, where)
        except ConfigError:
            continue
    raise ConfigError(f"{where} cannot be {data!r}")


def _is_config(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint)


def _read_dataclass(cls: Any, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise ConfigError(f"{where or cls.__name__} should be a group of settings, not {data!r}")
    hints = _hints(cls, where)
    fields = {
        _known(name, hints, where): _read(hints[name], value, f"{where}.{name}".strip("."))
        for name, value in data.items()
        if name != KIND
    }
    missing = {
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    } - fields.keys()
    if missing:
        raise ConfigError(f"{where or cls.__name__} lacks {', '.join(sorted(missing))}")
    return cls(**fields)
