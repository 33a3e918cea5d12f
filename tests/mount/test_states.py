"""The states of an open file: the table, and its picture in the manual."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest

from s3amfs.mount import states
from s3amfs.mount.states import Clean, Delayed, GivenUp, Spooled, Streaming, Unlinked, diagram, step
from s3amfs.transfers.options import ObjectInfo

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
BASE = ObjectInfo(size=1, etag="1")
NONE: Any = None
EVERY: list[states.State] = [
    Clean(BASE),
    Streaming(None, NONE),
    Spooled(BASE, NONE),
    Delayed(BASE, NONE),
    GivenUp(BASE),
    Unlinked(Clean(BASE)),
]
EVENTS = sorted({event for _, event in states.TABLE})


def test_the_picture_is_drawn_from_the_table() -> None:
    blocks = re.findall(r"```mermaid\n(.*?)\n```", DOCUMENT.read_text(), re.DOTALL)
    assert diagram() in blocks, "put what 'python -m s3amfs.mount.states' prints into docs/architecture.md"


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", EVERY, ids=lambda state: type(state).__name__)
def test_every_step_is_in_the_table_or_refused(state: states.State, event: str) -> None:
    for following in EVERY:
        known = cast(states.Event, event)
        if type(following) in states.TABLE.get((type(state), known), ()):
            assert step(state, known, following) is following
        else:
            with pytest.raises(states.IllegalTransition, match=f"{type(state).__name__} to {type(following).__name__}"):
                step(state, known, following)


def test_nothing_leads_back_from_what_nobody_publishes() -> None:
    for (state, _), following in states.TABLE.items():
        if state in (GivenUp, Unlinked):
            assert following == (state,)


def test_every_state_is_reached() -> None:
    reached = {each for following in states.TABLE.values() for each in following}
    assert reached == {type(state) for state in EVERY}
