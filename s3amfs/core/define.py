"""`define`: the standard library's `dataclass` at a third of its price. Pure.

The library compiles seven functions for each class of values, 0.6 ms. This package has 190 of them, of which a command
that moves one small file needs half: 50 ms at every start. Here only `__init__` is compiled, and all classes share the
other functions, which do the same. To mypy, `define` is `dataclass`; that nobody changes a frozen one is checked by
mypy alone, so a value is made in half the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as define
else:
    from dataclasses import dataclass, fields
    from functools import cache, partial
    from operator import attrgetter
    from reprlib import recursive_repr

    def define(cls=None, /, *, frozen=False, eq=True, **options):
        """As `dataclasses.dataclass` with the same options; those for order and hash are not there."""
        if cls is None:
            return partial(define, frozen=frozen, eq=eq, **options)
        own = vars(cls)
        shared = {} if "__repr__" in own else {"__repr__": _repr}
        if eq and "__eq__" not in own:
            shared["__eq__"] = _eq
        if eq and own.get("__hash__") is None:  # a class with an __eq__ has __hash__ = None of itself
            shared["__hash__"] = _hash if frozen else None
        made = dataclass(repr=False, eq=False, **options)(cls)
        for name, method in shared.items():
            setattr(made, name, method)
        return made

    @recursive_repr()
    def _repr(self):
        shown = (f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        values = _compared(self.__class__)
        return values(self) == values(other)

    def _hash(self):
        return hash(_compared(self.__class__)(self))

    @cache
    def _compared(cls):
        """The values of the fields that are compared, as a tuple."""
        names = [field.name for field in fields(cls) if field.compare]
        if len(names) < 2:
            return lambda one: tuple([getattr(one, name) for name in names])
        return attrgetter(*names)


__all__ = ["define"]
