# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dataclasses filled from YAML, with nothing guessed: each key and each type must fit."""

from __future__ import annotations

import copy
import dataclasses
import re
import types
from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as shortened
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import yaml

from geloc3r_ros.errors import ConfigError

__all__ = ["Range", "fill", "flat", "read_yaml", "with_overrides"]

T = TypeVar("T")
PLAIN = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}

EXPONENT = re.compile(r"[+-]?\d+[eE][+-]?\d+")
"""Numbers such as 1e-4, which YAML 1.1 takes for a text."""


class Range(NamedTuple):
    """Limits of a number, in the annotation of its field: ``Annotated[int, Range(1)]``."""

    low: float
    high: float = float("inf")
    low_included: bool = True

    def admits(self, value: float) -> bool:
        """Whether a number is within the limits."""
        above = value >= self.low if self.low_included else value > self.low
        return above and value <= self.high

    def __str__(self) -> str:
        low = f"{'at least' if self.low_included else 'above'} {self.low:g}"
        return low if self.high == float("inf") else f"{low} and at most {self.high:g}"


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file of settings.

    Raises:
        ConfigError: if it cannot be read or is no mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"settings {path} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"settings {path} hold no `key: value` lines")
    return values


def with_overrides(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Change settings by ``key=value``: keys are dotted, ``stages.0.steps=100``; values are YAML.

    Raises:
        ConfigError: if an override is no such text, or leads to no place.
    """
    changed = copy.deepcopy(values)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not (key and equals):
            raise ConfigError(f"{override!r} is no override: write key=value, data.workers=4")
        *parents, last = key.split(".")
        place: Any = changed
        try:
            for part in parents:
                place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
            if isinstance(place, list):
                place[int(last)] = yaml.safe_load(text)
            else:
                place.update({last: yaml.safe_load(text)})
        except (
            AttributeError, IndexError, RecursionError, ValueError, yaml.YAMLError
        ) as error:  # fmt: skip
            raise ConfigError(f"override {override!r} leads to no setting: {error}") from error
    return changed


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted keys."""
    if not isinstance(values, dict | list | tuple):
        return {prefix: values}
    items = values.items() if isinstance(values, dict) else enumerate(values)
    found: dict[str, Any] = {}
    for key, value in items:
        found |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def fill(cls: type[T], values: Any, where: str, base: T | None = None) -> T:
    """Build a dataclass from plain values, level by level.

    Args:
        cls: The dataclass. Its fields are numbers, texts, booleans, ``Literal``, tuples, ``X |
            None``, mappings ``dict[str, X]`` and dataclasses.
        values: What YAML gave.
        where: File and key, for the messages.
        base: What holds where a key is not given; without it, the defaults of the fields.

    Raises:
        ConfigError: if a key is unknown or missing, or a value does not fit.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{where} is {shortened(values)}; it must be a group of settings")
    hints = get_type_hints(cls, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = values.keys() - fields.keys()
    if unknown:
        raise ConfigError(
            f"{where} has no setting {sorted(unknown, key=str)[0]!r}; "
            f"there are {', '.join(sorted(fields))}"
        )
    nothing = dataclasses.MISSING
    for name, field in fields.items():
        has_default = field.default is not nothing or field.default_factory is not nothing
        if name not in values and base is None and not has_default:
            raise ConfigError(f"{_below(where, name)} is missing")
    given = {
        name: _member(hints[name], fields[name], value, _below(where, name))
        for name, value in values.items()
    }
    if base is not None:
        given = {name: getattr(base, name) for name in fields} | given
    try:
        return cls(**given)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _member(kind: Any, field: dataclasses.Field[Any], value: Any, where: str) -> Any:
    """The value of a field; a group of settings changes some of the field's default."""
    default = field.default_factory
    grouped = isinstance(kind, type) and dataclasses.is_dataclass(kind)
    if grouped and default is not dataclasses.MISSING:
        return fill(kind, value, where, default())
    return _value(kind, value, where)


def _below(where: str, key: str) -> str:
    return f"{where}{'.' if ': ' in where else ': '}{key}"


def _value(kind: Any, value: Any, where: str) -> Any:
    """A value of the type that an annotation asks for."""
    origin, choices = get_origin(kind), get_args(kind)
    if origin is Annotated:
        number = _value(choices[0], value, where)
        if not choices[1].admits(number):
            raise ConfigError(f"{where} is {shortened(value)}; it must be {choices[1]}")
        return number
    if origin is Literal:
        if value not in choices:
            raise ConfigError(f"{where} is {shortened(value)}; choose one of {', '.join(choices)}")
        return value
    if origin is types.UnionType:
        return None if value is None else _value(choices[0], value, where)
    if origin is tuple:
        return _tuple(choices, value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{where} is {shortened(value)}; it must be a group of settings")
        return {str(k): _value(choices[1], v, _below(where, k)) for k, v in value.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return fill(kind, value, where)
    if kind is float and isinstance(value, str) and EXPONENT.fullmatch(value):
        return float(value)
    right = isinstance(value, (int, float) if kind is float else kind)
    if not right or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{where} is {shortened(value)}; it must be {PLAIN[kind]}")
    try:
        return kind(value)
    except OverflowError as error:
        raise ConfigError(f"{where} is {shortened(value)}; that is too large") from error


def _tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} is {shortened(value)}; it must be a list")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ConfigError(f"{where} is {shortened(value)}; it must be a list of {len(kinds)}")
    return tuple(_value(k, v, _below(where, str(i))) for i, (k, v) in enumerate(zip(kinds, value)))
