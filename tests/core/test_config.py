"""Configurations: JSON and back, overrides, and what is refused."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from rhinoise.core.config import from_json, overridden, override, to_json
from rhinoise.core.errors import ConfigError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Circle:
    radius: float


@dataclass(frozen=True, kw_only=True)
class Square:
    side: float
    tilt: int = 0

    def __post_init__(self) -> None:
        if self.side <= 0:
            raise ConfigError("a side is above 0")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    name: str
    shape: Circle | Square
    frame: Square | None = None
    colour: tuple[int, int, int] = (0, 0, 0)
    widths: tuple[float, ...] = ()
    style: Literal["flat", "shaded"] = "flat"
    filled: bool = True
    size: int | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Circle] = field(default_factory=dict)


DRAWING = Drawing(
    name="sun",
    shape=Circle(radius=2.5),
    frame=Square(side=4.0),
    widths=(1.0, 2.0),
    notes={"by": "me"},
    parts={"eye": Circle(radius=0.5)},
)


def test_there_and_back():
    text = json.dumps(to_json(DRAWING))
    assert from_json(Drawing, json.loads(text)) == DRAWING


def test_json_names_the_kind():
    assert to_json(DRAWING)["shape"] == {"kind": "Circle", "radius": 2.5}


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("name=moon", "name", "moon"),
        ("shape.radius=3", "shape.radius", 3.0),
        ("frame.tilt = 45", "frame.tilt", 45),
        ("frame=null", "frame", None),
        ('shape={"kind": "Square", "side": 1}', "shape", Square(side=1.0)),
        ("colour=[1, 2, 3]", "colour", (1, 2, 3)),
        ("widths=[]", "widths", ()),
        ("style=shaded", "style", "shaded"),
        ("filled=false", "filled", False),
        ("size=7", "size", 7),
        ("name=a=b", "name", "a=b"),
    ],
)
def test_override(assignment, path, value):
    changed: Any = override(DRAWING, assignment)
    for name in path.split("."):
        changed = getattr(changed, name)
    assert changed == value
    assert type(changed) is type(value)


def test_override_leaves_the_rest_alone():
    assert override(override(DRAWING, "size=7"), "size=null") == DRAWING


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("size", "write it as name=value"),
        ("sise=3", "did you mean 'size'"),
        ("shape.radios=3", "did you mean 'radius'|radius"),
        ("shape.side=3", "radius"),
        ("name.first=x", "goes too deep"),
        ("size=big", "size cannot be 'big'"),
        ("size=2.5", "size cannot be 2.5"),
        ("frame.tilt=true", "should be of type int"),
        ("filled=1", "should be of type bool"),
        ("shape.radius=wide", "should be of type float"),
        ("colour=[1, 2]", "should have 3 values, not 2"),
        ("colour=red", "should be a list"),
        ("style=flatt", "did you mean 'flat'"),
        ('shape={"kind": "Sqare", "side": 1}', "did you mean 'Square'"),
        ('shape={"kind": "os.system"}', "choose one of these"),
        ('shape={"kind": "Square"}', "lacks side"),
        ("frame.side=-1", "a side is above 0"),
    ],
)
def test_what_is_wrong_is_said(assignment, says):
    with pytest.raises((ConfigError, UnknownNameError)) as error:
        override(DRAWING, assignment)
    message = str(error.value)
    assert any(part in message for part in says.split("|")), message
    assert "\n" not in message


def test_what_is_missing_is_named():
    with pytest.raises(ConfigError, match="Drawing lacks name, shape"):
        from_json(Drawing, {})


def test_a_file_of_something_else_is_refused():
    with pytest.raises(ConfigError, match="group of settings"):
        from_json(Drawing, [1, 2])


@dataclass(frozen=True, kw_only=True)
class Halves:
    left: float
    right: float

    def __post_init__(self) -> None:
        if self.left + self.right != 1:
            raise ConfigError("two halves add up to 1")


@dataclass(frozen=True, kw_only=True)
class Cut:
    halves: Halves
    shape: Circle | Square


def test_settings_that_depend_on_each_other_are_changed_together():
    cut = Cut(halves=Halves(left=0.5, right=0.5), shape=Circle(radius=1.0))
    changed = overridden(cut, ["halves.left=0.25", "halves.right=0.75"])
    assert changed.halves == Halves(left=0.25, right=0.75)
    with pytest.raises(ConfigError, match="add up to 1"):
        overridden(cut, ["halves.left=0.25"])
    again = overridden(cut, ['shape={"kind": "Square", "side": 1}', "shape.tilt=3"])
    assert again.shape == Square(side=1.0, tilt=3)
    assert overridden(cut, []) == cut
