"""How many examples a property draws, where hypothesis' own number is not the right one."""

from __future__ import annotations

from hypothesis import settings

USUAL = 100
"""As many as hypothesis draws by itself."""


def examples(count: int) -> settings:
    """A decorator: `count` examples in `make test`, the profile's where it draws fewer than usual (`make unit`)."""
    drawn = settings.default.max_examples
    return settings(max_examples=count if drawn >= USUAL else min(count, drawn), deadline=None)
