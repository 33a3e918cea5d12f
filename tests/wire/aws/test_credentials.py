"""Where the credentials of a session come from, when they are renewed, and what is said if there are none."""

from __future__ import annotations

import pytest

from s3amfs.errors import BadCredentials
from s3amfs.wire.aws.config import S3Config
from s3amfs.wire.aws.credentials import CredentialSource


class Frozen:
    def __init__(self, key: str, token: str | None = None) -> None:
        self.access_key, self.secret_key, self.token = key, "s", token


class Provided:
    """Credentials as botocore's providers make them: they say when they want to be renewed."""

    method = "custom"

    def __init__(self, key: str, *, ends_in: float = 3600, token: str | None = None) -> None:
        self.ends_in, self.asked, self._frozen = ends_in, 0, Frozen(key, token)

    def refresh_needed(self, seconds: float = 900) -> bool:
        return self.ends_in < seconds

    def get_frozen_credentials(self) -> Frozen:
        self.asked += 1
        return self._frozen


class Chain:
    """A botocore session."""

    def __init__(self, found: Provided | None) -> None:
        self.found = found

    def get_credentials(self) -> Provided | None:
        return self.found

    def get_component(self, name: str) -> Chain:
        assert name == "credential_provider"
        return self

    load_credentials = get_credentials


def source(chain: Chain) -> CredentialSource:
    return CredentialSource(S3Config(session=chain), chain)


def test_asked_once_while_they_last() -> None:
    provided = Provided("K")
    keys = source(Chain(provided))
    assert not keys.fresh()
    assert [keys.current().access_key for _ in range(3)] == ["K"] * 3
    assert keys.fresh()
    assert provided.asked == 1


def test_in_the_last_minutes_the_old_ones_serve_while_there_are_no_newer() -> None:
    provided = Provided("K", ends_in=300)
    keys = source(Chain(provided))
    keys.current()
    assert keys.fresh()
    provided.ends_in = 30  # now a request might outlive them
    assert not keys.fresh()
    keys.current()
    assert provided.asked == 2


def test_force_asks_all_providers() -> None:
    chain = Chain(Provided("OLD"))
    keys = source(chain)
    keys.current()
    chain.found = Provided("NEW")
    keys.refresh()
    assert keys.current().access_key == "OLD"
    keys.refresh(force=True)
    assert keys.current().access_key == "NEW"


def test_none_and_half() -> None:
    with pytest.raises(BadCredentials, match="AWS_ACCESS_KEY_ID"):
        source(Chain(None)).current()
    with pytest.raises(BadCredentials, match="belong together"):
        CredentialSource(S3Config(secret_key="s"), Chain(None)).current()
    with pytest.raises(BadCredentials, match="empty"):
        source(Chain(Provided(""))).current()


@pytest.mark.parametrize("token", ["a\nb", "é"])
def test_a_token_that_would_end_its_header_is_refused_and_not_quoted(token: str) -> None:
    with pytest.raises(BadCredentials) as raised:
        source(Chain(Provided("K", token=token))).current()
    assert token not in str(raised.value)


def test_a_document_that_cannot_be_read_is_not_quoted() -> None:
    class Broken(Provided):
        def get_frozen_credentials(self) -> Frozen:
            raise KeyError("SECRET")

    with pytest.raises(BadCredentials, match="KeyError") as raised:
        source(Chain(Broken("K"))).current()
    assert "SECRET" not in str(raised.value)
