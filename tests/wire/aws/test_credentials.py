"""Where the credentials of a session come from, when they are renewed, and what is said if there are none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from s3amfs.errors import BadCredentials
from s3amfs.wire.aws.config import S3Config
from s3amfs.wire.aws.credentials import CredentialSource, light_session


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


class Sts(ThreadingHTTPServer):
    """Gives credentials of roles; notes which action was asked for, and whether the request was signed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _StsHandler)
        self.asked: list[tuple[str, bool]] = []


class _StsHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        action = body["Action"][0]
        assert isinstance(self.server, Sts)
        self.server.asked.append((action, "Authorization" in self.headers))
        answer = (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
            "<AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            f"<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def sts() -> Iterator[Sts]:
    with Sts() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


ROLE = "role_arn = arn:aws:iam::123456789012:role/reader"


@pytest.mark.parametrize(
    ("profile", "asked"),
    [
        (f"{ROLE}\nsource_profile = base", ("AssumeRole", True)),
        (f"{ROLE}\nweb_identity_token_file = TOKEN", ("AssumeRoleWithWebIdentity", False)),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_roles_are_asked_for_by_a_client_with_all_handlers(
    sts: Sts, profile: str, asked: tuple[str, bool], force: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("a.b.c")
    config = tmp_path / "config"
    config.write_text(
        f"[profile role]\n{profile.replace('TOKEN', str(token))}\n"
        "[profile base]\naws_access_key_id = K\naws_secret_access_key = s\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{sts.server_port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    settings = S3Config(profile="role")
    keys = CredentialSource(settings, light_session("role"))
    keys.refresh(force)
    assert (keys.current().access_key, keys.current().token) == ("ROLE", "t")
    assert sts.asked == [asked]
