"""How much a job may delete: judged once, before the first deletion. Pure."""

from __future__ import annotations

from ..errors import UsageError
from .define import define

DEFAULT_PERCENT = 50.0
DEFAULT_FROM = 100
"""Without --max-delete more than half of more than a hundred entries is refused."""


@define(frozen=True, slots=True)
class MaxDelete:
    """`--max-delete`: a number of entries, or a share of those at the target."""

    count: int | None = None
    percent: float | None = None

    @property
    def everything(self) -> bool:
        return self.percent is not None and self.percent >= 100


def parse_max_delete(text: str) -> MaxDelete:
    """'100' or '25%'. Raises UsageError."""
    number = text.removesuffix("%").strip()
    if not number.isascii() or not number.replace(".", "", 1).isdigit() or len(number) > 15:
        raise UsageError(f"{text!r} is not a limit: write a number of entries (100) or a share (25%)")
    if text.endswith("%"):
        percent = float(number)
        if percent > 100:
            raise UsageError(f"{text!r} is more than 100%: write 0% to 100%")
        return MaxDelete(percent=percent)
    if not number.isdigit():
        raise UsageError(f"{text!r} is not a whole number of entries")
    return MaxDelete(count=int(number))


def refusal(deletes: int, at_target: int, limit: MaxDelete | None) -> str:
    """Why `deletes` of `at_target` entries (those not excluded) must not go; '' if they may."""
    if deletes == 0:
        return ""
    asked = "raise --max-delete if that is intended"
    if limit is None:
        if at_target > DEFAULT_FROM and deletes * 100 > DEFAULT_PERCENT * at_target:
            return f"{deletes:,} of {at_target:,} entries would be deleted, more than {DEFAULT_PERCENT:g}%: {asked}"
        return ""
    if limit.count is not None and deletes > limit.count:
        return f"{deletes:,} entries would be deleted, and --max-delete allows {limit.count:,}: {asked}"
    if limit.percent is not None and deletes * 100 > limit.percent * at_target:
        return f"{deletes:,} of {at_target:,} entries would be deleted, more than {limit.percent:g}%: {asked}"
    return ""


def refusal_of_sync(deletes: int, at_target: int, at_source: int, limit: MaxDelete | None) -> str:
    """As `refusal`; and where the source has nothing at all, deletions need --max-delete 100%."""
    if deletes and not at_source and not (limit is not None and limit.everything):
        return (
            f"the source is empty, and {deletes:,} entries would be deleted: check SRC, or give --max-delete 100% "
            "if that is intended"
        )
    return refusal(deletes, at_target, limit)
