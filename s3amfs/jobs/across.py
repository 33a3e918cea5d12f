"""Objects to another prefix: copied by the server, a look and a request each where possible, or relayed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

from ..core.entries import ARCHIVED, Kind, not_a_key
from ..core.expected import Expected
from ..core.job_records import Known
from ..core.locations import S3Location
from ..engine.client import S3Client
from ..errors import AccessDenied, ObjectExists, S3AMError, TargetChanged, TransferError
from ..transfers import commit
from ..transfers.as_asked import is_settled
from ..transfers.copy_object import keeps_all
from ..transfers.job import ManifestsLeft
from ..transfers.one_request import Fetched, begin_get, begin_put
from ..transfers.options import ObjectInfo, ObjectOptions, StoredInfo, UploadOptions
from ..transfers.small_copy import CopyOrder, begin_copy
from ..verbs.copy import SINGLE_BYTES
from ..wire.messages import S3Request
from ..wire.s3.model import CONTENT_HEADERS
from .content import two_objects
from .job_options import TreeOptions
from .obedience import Obedience
from .sides import ObjectVerbs
from .work import SMALL_LIMIT, CannotBeDone, Done, Mover, Outcome, Room, Work

CONTENT = ("metadata", *CONTENT_HEADERS)
"""Options that a copy takes from its source unless they are given."""


class Across(Mover):
    """From keys below `source` to keys below `target`. source_client: reads `source` where that is another service."""

    verb = "copy"

    def __init__(
        self,
        source: S3Location,
        target: S3Location,
        client: S3Client,
        options: TreeOptions,
        verbs: ObjectVerbs,
        source_client: S3Client | None = None,
    ) -> None:
        self._verbs = verbs
        self._source = source
        self._target = target
        self._client = client
        self._source_client = source_client
        self._options = options
        self._obedience = Obedience(client, target.bucket, "copy")
        self._left = ManifestsLeft(client, options.state_dir)

    def location(self, key: str) -> S3Location:
        return S3Location(self._target.bucket, self._target.key + key)

    def source(self, key: str) -> S3Location:
        return S3Location(self._source.bucket, self._source.key + key)

    def limit(self) -> int:
        return SINGLE_BYTES if self._source_client is None else SMALL_LIMIT

    def small(self, work: Work, room: Room, done: Done, retry: Callable[[], None]) -> None:
        source, target = self._checked(work)
        if self._left.has(target):
            retry()  # by a verb, which settles what an earlier run has left
            return
        if not self._is_trusted(work, done, retry):
            return
        if self._source_client is not None:
            self._relay(work, source, target, room, done, retry)
            return
        if self._options.copy_metadata and self._gives_content():
            retry()  # what the source has and what is given have to be put together
            return
        if not is_settled(self._client, target, self.stored_as(work, target)):
            retry()  # by a verb, which looks whether it is stored as asked for
            return
        give = room.take(0)

        def copied(stored: StoredInfo | None) -> None:
            give()
            if stored is None:
                work.doubtful = True
                retry()
            else:
                done(self._moved(work, work.size, stored.etag))

        begin_copy(self._client, self._order(work), copied, self.warn)

    def _is_plain(self, work: Work) -> bool:
        """Whether one CopyObject stores the entry as the verb does."""
        if work.source.kind is Kind.FOLDER or (self._options.copy_metadata and self._gives_content()):
            return False
        order = self._order(work)
        info = self._client.find(order.source.bucket, order.source.key, customer_key=order.source_key)
        return (
            info is not None
            and info.etag == work.source.etag
            and keeps_all(info, order.options, metadata=order.copy_metadata)
        )

    def _order(self, work: Work) -> CopyOrder:
        source, target = self.source(work.key), self.location(work.key)
        return CopyOrder(
            source,
            target,
            self.stored_as(work, target),
            work.source.etag,
            work.expected,
            self._options.source_key_for(source),
            self._options.copy_metadata,
            self._options.checksum,
        )

    def _is_trusted(self, work: Work, done: Done, retry: Callable[[], None]) -> bool:
        """Whether one conditional request is enough; else the entry is done, or goes the way that looks around."""
        if self._source_client is not None:
            if work.whatever or self._client.session.capabilities(self._target.bucket).conditions.get(
                ("put", work.expected.kind)
            ):
                return True
            retry()  # bytes of another service are not fetched twice to find that out
            return False
        outcomes: list[Outcome] = []

        def store() -> Callable[[Expected], S3Request] | None:
            outcomes.append(self.large(work))
            if not self._is_plain(work):
                return None
            return lambda expected: self._order(work).request(expected, work.source.etag or None)

        trusted = self._obedience.trusts(work.expected, store)
        if outcomes:
            done(outcomes[0])
        elif not trusted:
            retry()
        return trusted is True

    def large(self, work: Work) -> Outcome:
        source, target = self._checked(work)
        if work.source.kind is Kind.FOLDER:
            return self._put_folder(work, source, target)
        options = UploadOptions(
            exists="overwrite",
            expected=work.expected,
            unfinished="continue",
            object=self.stored_as(work, target),
            copy_metadata=self._options.copy_metadata,
            source_key=self._options.source_key_for(source),
            checksum=self._options.checksum,
            part_size=self._options.part_size,
            bwlimit=self._options.bwlimit,
            state_dir=self._options.state_dir,
        )
        gate = self._client.engine.sending
        try:
            result = self._verbs.upload(
                source,
                target,
                self._client,
                options,
                source_client=self._source_client,
                on_event=self.on_event,
                gate=gate,
            )
        except (ObjectExists, TargetChanged) as error:
            return self.lost(work, error, self._options.exists)
        except S3AMError as error:
            if work.source.storage_class in ARCHIVED and isinstance(error, AccessDenied | TransferError):
                raise CannotBeDone(f"archived in {work.source.storage_class}: restore it first") from None
            raise
        return self._moved(work, result.size or work.size, result.etag)

    def requests(self, work: Work) -> dict[str, int]:
        found = super().requests(work)
        return {**found, "HEAD": 1} if self._source_client is None else found

    def look(self, work: Work, *, proven: bool = False) -> Outcome | None:
        source, target = self.source(work.key), self.location(work.key)
        reader = self._source_client or self._client
        one = reader.head(source.bucket, source.key, customer_key=self._options.source_key_for(source))
        other = self._client.head(target.bucket, target.key, customer_key=self._options.key_for(target))
        compared = two_objects(one, other)
        known = Known(work.key, f"{one.size}:{one.etag}", f"{other.size}:{other.etag}")
        if compared.equal:
            return Outcome(work, "same", f"equal content ({compared.how})", known)
        by_time = not proven and not self._options.rules.checksum
        if compared.equal is None and by_time and _is_later(other, one):
            return Outcome(work, "same", "equal size, stored later than the source", known)
        work.reason = f"{compared.how} differs" if compared.equal is False else f"{work.reason}; {compared.how}"
        return None

    # -- inside -----------------------------------------------------------------------------------------------------

    def _checked(self, work: Work) -> tuple[S3Location, S3Location]:
        why = not_a_key(self._target.key + work.key)
        if why:
            raise CannotBeDone(why)
        return self.source(work.key), self.location(work.key)

    def _put_folder(self, work: Work, source: S3Location, target: S3Location) -> Outcome:
        """An empty object whose key ends in '/': not every server copies one."""
        reader = self._source_client or self._client
        info = reader.head(source.bucket, source.key, customer_key=self._options.source_key_for(source))
        options = self._with_kept(self.stored_as(work, target), info)
        stored = commit.put(self._client, target, b"", options, work.expected, self.warn)
        return self._moved(work, 0, stored.etag)

    def _gives_content(self) -> bool:
        return any(getattr(self._options.object, name) for name in CONTENT)

    def stored_as(self, work: Work, target: S3Location) -> ObjectOptions:
        given = self._options.object
        kept_class = work.source.storage_class
        if kept_class in ARCHIVED or kept_class in ("STANDARD", "EXPRESS_ONEZONE", ""):
            kept_class = None
        return replace(
            given,
            storage_class=given.storage_class or kept_class,
            customer_key=self._options.key_for(target),
        )

    def _relay(
        self,
        work: Work,
        source: S3Location,
        target: S3Location,
        room: Room,
        done: Done,
        retry: Callable[[], None],
    ) -> None:
        assert self._source_client is not None
        give = room.take(work.size)

        def stored(info: StoredInfo | None, size: int) -> None:
            give()
            if info is None:
                work.doubtful = True
                retry()
            else:
                done(self._moved(work, size, info.etag))

        def fetched(found: Fetched | None) -> None:
            if found is None or found.info.tags_count or found.info.etag != work.source.etag:
                give()
                retry()
                return
            options = self._with_kept(self.stored_as(work, target), found.info)
            if not is_settled(self._client, target, options):
                give()
                retry()
                return
            size = len(found.data)
            begin_put(
                self._client,
                target,
                found.data,
                options,
                self._options.checksum,
                lambda info: stored(info, size),
                work.expected,
            )

        key = self._options.source_key_for(source)
        begin_get(self._source_client, source, fetched, limit=SMALL_LIMIT, customer_key=key)

    def _with_kept(self, options: ObjectOptions, info: ObjectInfo) -> ObjectOptions:
        if not self._options.copy_metadata:
            return options
        kept = info.copy_options()
        names = {field.name for field in fields(ObjectOptions)} & set(CONTENT)
        return replace(options, **{name: getattr(options, name) or getattr(kept, name) for name in names})

    def _moved(self, work: Work, size: int, etag: str) -> Outcome:
        return Outcome(work, "moved", work.reason, Known(work.key, work.source.fingerprint, f"{size}:{etag}"))


def _is_later(one: ObjectInfo, other: ObjectInfo) -> bool:
    return (one.last_modified or 0) >= (other.last_modified or 0) > 0
