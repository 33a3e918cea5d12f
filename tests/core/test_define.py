"""`define` makes what `dataclass` makes, but for the check that nobody changes a frozen one."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.define import define


@define(frozen=True, slots=True)
class Point:
    """A value."""

    x: float
    y: float = 0.0


@define(frozen=True, slots=True)
class Named(Point):
    """One that inherits, hides a field, and does not compare another."""

    name: str = ""
    secret: str = field(default="", repr=False)
    note: str = field(default="", compare=False)


@define(slots=True)
class Changing:
    """One that changes."""

    items: list[object] = field(default_factory=list)


def _made(decorator: Callable[..., Any], **options: Any) -> Any:
    class Value:
        """Made twice."""

        a: int
        b: str = "x"
        c: float = field(default=0.0, repr=False)
        d: tuple[int, ...] = field(default=(), compare=False)

    Value.__qualname__ = "Value"
    return decorator(**options)(Value)


VALUES = st.tuples(st.integers(0, 2), st.sampled_from("xy"), st.sampled_from([0.0, 1.0, float("nan")]), st.just((1,)))


@pytest.mark.parametrize(
    "options", [{}, {"frozen": True}, {"slots": True}, {"frozen": True, "slots": True}, {"eq": False, "slots": True}]
)
@given(one=VALUES, other=VALUES)
def test_as_dataclass(options: dict[str, bool], one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    ours, theirs = _made(define, **options), _made(dataclass, **options)
    assert repr(ours(*one)) == repr(theirs(*one))
    equal = one[:3] == other[:3] if options.get("eq", True) else False
    assert (ours(*one) == ours(*other)) is equal  # as tuples are; the library does that until Python 3.12
    assert equal is (theirs(*one) == theirs(*other)) or (one[2] is other[2] and one[2] != one[2])
    assert asdict(ours(*one)) == asdict(theirs(*one)) or one[2] != one[2]
    assert ours.__match_args__ == theirs.__match_args__
    assert [f.name for f in fields(ours)] == [f.name for f in fields(theirs)]
    assert hasattr(ours(1), "__dict__") is hasattr(theirs(1), "__dict__")
    assert (ours.__hash__ is None) is (theirs.__hash__ is None)
    if options.get("frozen"):
        assert hash(ours(*one)) == hash(theirs(*one))
    assert replace(ours(*one), a=7).a == 7
    assert (ours(1) == theirs(1)) is False


def test_one_that_inherits() -> None:
    named = Named(1, 2, "n", "s", "note")
    assert repr(named) == "Named(x=1, y=2, name='n', note='note')"
    assert named == Named(1, 2, "n", "s") != Named(1, 2, "n", "t")
    assert named != Point(1, 2)
    assert len({named, Named(1, 2, "n", "s"), Point(1, 2), Point(1, 2)}) == 2


def test_fewer_than_two_fields() -> None:
    @define(frozen=True)
    class Nothing:
        """None."""

    @define(frozen=True)
    class One:
        """One."""

        value: object

    assert Nothing() == Nothing()
    assert repr(Nothing()).endswith("Nothing()")
    assert One(1) == One(1) != One(2)
    assert hash(One("a")) == hash(("a",))


def test_own_methods_stay() -> None:
    @define(frozen=True, slots=True)
    class Own:
        """It has all three."""

        x: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    assert repr(Own(1)) == "own"
    assert Own(1) == Own(2)
    assert hash(Own(1)) == 7


def test_copies() -> None:
    for value in (Point(1, 2), Named(1, name="n"), Changing([1])):
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.deepcopy(value) == value
    match Point(3, 4):
        case Point(x, y):
            assert (x, y) == (3, 4)


def test_one_that_holds_itself() -> None:
    changing = Changing()
    changing.items.append(changing)
    assert repr(changing) == "Changing(items=[...])"
    with pytest.raises(TypeError, match="unhashable"):
        hash(changing)


def test_slots_refuse_other_names() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 2  # type: ignore[attr-defined]
    assert dataclasses.is_dataclass(Point)
