"""Last listings of directories: in the order in which they showed objects these will be asked for, one by one.

Only the order counts: each object is looked at again. Not for several threads at once.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import field

from ..core.define import define
from ..core.names import MORE, Place, child_of
from ..transfers.options import ListedObject, ListPage

AHEAD = 128
"""Objects of a directory that are looked at ahead of being asked for."""
LISTING_SECONDS = 60.0
"""How long a listing says in which order files will be asked for."""
MOST_LISTINGS = 16
MOST_LISTED = 200_000
"""Names in remembered listings, all together."""


@define(slots=True)
class Listing:
    """The objects that the last listing of a directory showed, in its order."""

    seen: float
    """Monotonic time."""
    place: Place
    """Of the directory."""
    names: list[str] = field(default_factory=list)
    """'' for one that is not looked at ahead."""
    places: dict[str, int] = field(default_factory=dict)
    """Name -> place in `names`."""
    folders: set[str] = field(default_factory=set)
    """Names of what is a directory here."""
    mistaken: list[str] = field(default_factory=list)
    """Those of them that an earlier page showed as objects: between `a` and `a/` there may be many keys (`a-1`)."""
    looked_to: int = 0

    def add(self, page: ListPage, prefix: str) -> tuple[list[str], list[tuple[str, ListedObject]]]:
        """Adds a page of what is directly below `prefix`. Returns the new names, and the objects among them."""
        names = [self.show_folder(each[len(prefix) : -1]) for each in page.prefixes]
        objects: list[tuple[str, ListedObject]] = []
        for listed in page.objects:
            piece = listed.key[len(prefix) :]
            if piece and (name := self.show_object(piece)) is not None:
                names.append(name)
                if name in self.places:
                    objects.append((name, listed))
        return [name for name in names if name is not None], objects

    def show_folder(self, piece: str) -> str | None:
        """The name to show for a prefix, of which `piece` lies in the directory; None: it has been shown."""
        name = child_of(self.place, piece)
        if name is None or name in self.folders:
            return None
        self.folders.add(name)
        if name not in self.places:
            return name
        self.mistaken.append(name)
        self.names[self.places.pop(name)] = ""
        return child_of(self.place, piece, shadowed=True)  # the plain one is there, and means the directory from now on

    def show_object(self, piece: str) -> str | None:
        """The name to show for an object; None: it has been shown."""
        name = child_of(self.place, piece)
        if name in self.folders:
            name = child_of(self.place, piece, shadowed=True)
        if name is None or name in self.folders:
            return None
        if name.endswith(MORE):  # a directory of what begins as this key does
            self.folders.add(name)
        else:
            self.places[name] = len(self.names)
            self.names.append(name)
        return name


class Listings:
    def __init__(self) -> None:
        self._listings: OrderedDict[str, Listing] = OrderedDict()
        """By the path of the directory."""

    def keep(self, path: str, listing: Listing) -> None:
        """As the newest; the oldest go where there are too many of them or of their names."""
        self._listings[path] = listing
        self._listings.move_to_end(path)
        while len(self._listings) > 1 and (
            len(self._listings) > MOST_LISTINGS
            or sum(len(each.names) for each in self._listings.values()) > MOST_LISTED
        ):
            self._listings.popitem(last=False)

    def to_look_at(self, path: str, name: str, now: float) -> list[str] | None:
        """Names in the directory `path` to look at now that `name` is asked for. None: no listing has shown it lately.

        now: monotonic time.
        """
        listing = self._listings.get(path)
        place = listing.places.get(name) if listing is not None else None
        if listing is None or place is None or listing.seen + LISTING_SECONDS < now:
            return None
        if place and place + AHEAD // 2 < listing.looked_to:
            return []
        start, listing.looked_to = max(place, listing.looked_to if place else 0), place + AHEAD
        return [each for each in listing.names[start : listing.looked_to] if each]

    def forget(self, path: str) -> None:
        """Something in the directory `path` has changed."""
        self._listings.pop(path, None)

    def forget_below(self, path: str) -> None:
        """So has all in it."""
        for each in [each for each in self._listings if each == path or each.startswith(path + "/")]:
            del self._listings[each]
