"""sftp:// and scp:// sources against a real OpenSSH server: key or agent, known hosts, resumption, secrets."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli, Result
from tests.support.faults import Rule, stall
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy
from tests.support.sshserver import SshServer, make_key

PART = 5 * 1024 * 1024
SECRET = "pass-word-7c1d"


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    folder = tmp_path_factory.mktemp("ssh")
    (folder / "files").mkdir()
    make_file(folder / "files" / "a ü#?", 3 * PART + 1, 1)
    (folder / "files" / "empty").touch()
    with SshServer(folder / "files", folder / "keys") as server:
        yield server


@pytest.fixture
def user(cli: Cli, ssh: SshServer) -> Cli:
    """A user who has a key, and has seen the server before."""
    ssh.log_in(cli.home)
    return cli


def one_line(result: Result) -> str:
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_upload_in_ranges(user: Cli, boto: Any, bucket: str, ssh: SshServer) -> None:
    done = user.ok("upload", "--part-size", "5M", ssh.url("/a ü#?"), f"s3://{bucket}/")
    assert "warning" not in done.stderr
    assert object_digest(boto, bucket, "a ü#?") == digest(ssh.folder / "a ü#?")
    assert boto.head_object(Bucket=bucket, Key="a ü#?")["ETag"].endswith('-4"')
    assert "are equal" in user.ok("verify", "--against", ssh.url("/a ü#?"), f"s3://{bucket}/a ü#?").stdout


def test_scp_has_no_ranges_and_is_one_stream(user: Cli, boto: Any, bucket: str, ssh: SshServer) -> None:
    done = user.ok("upload", "--part-size", "5M", ssh.url("/a ü#?", scheme="scp"), f"s3://{bucket}/k")
    assert "no byte ranges" in done.stderr
    assert object_digest(boto, bucket, "k") == digest(ssh.folder / "a ü#?")


def test_empty_file(user: Cli, boto: Any, bucket: str, ssh: SshServer) -> None:
    user.ok("upload", ssh.url("/empty"), f"s3://{bucket}/k")
    assert boto.head_object(Bucket=bucket, Key="k")["ContentLength"] == 0


def test_resume_and_a_changed_source(
    user: Cli, boto: Any, bucket: str, ssh: SshServer, proxy: FaultProxy, tmp_path: Path
) -> None:
    source = make_file(ssh.folder / "changing", 4 * PART, 2)
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    words = ("--part-size", "5M", "--upload-slots", "1", ssh.url("/changing"), f"s3://{bucket}/k")
    proxy.rules.append(Rule("UploadPart", stall("request_head", seconds=60), nth=3, times=99))
    running = user.start("upload", *words, env=through)
    assert proxy.wait_for(lambda: proxy.count("UploadPart") >= 3)
    running.interrupt()
    assert running.wait().rc == 130
    proxy.rules.clear()
    proxy.clear()
    held = source.read_bytes()
    source.write_bytes(held + b"x")
    assert "--force" in one_line(user("upload", "--resume", *words, env=through))
    assert user("upload", "--resume", *words, env=through).rc == 15
    user.ok("upload", "--force", *words, env=through)
    assert object_digest(boto, bucket, "k") == digest(source)


def test_resume_sends_only_what_is_missing(
    user: Cli, boto: Any, bucket: str, ssh: SshServer, proxy: FaultProxy
) -> None:
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    words = ("--part-size", "5M", "--upload-slots", "1", ssh.url("/a ü#?"), f"s3://{bucket}/k")
    proxy.rules.append(Rule("UploadPart", stall("request_head", seconds=60), nth=3, times=99))
    running = user.start("upload", *words, env=through)
    assert proxy.wait_for(lambda: proxy.count("UploadPart") >= 3)
    running.kill()
    running.wait()
    proxy.rules.clear()
    proxy.clear()
    user.ok("upload", "--resume", *words, env=through)
    assert proxy.count("UploadPart") == 2
    assert object_digest(boto, bucket, "k") == digest(ssh.folder / "a ü#?")


def test_unknown_and_wrong_hosts_are_refused(user: Cli, bucket: str, ssh: SshServer, tmp_path: Path) -> None:
    ssh.is_known_to(user.home, make_key(tmp_path / "other").with_suffix(".pub"))
    for _ in range(2):
        result = user("upload", ssh.url("/a ü#?"), f"s3://{bucket}/k")
        assert result.rc == 1
        assert "known_hosts" in one_line(result)
        assert "ssh" in result.stderr
        (user.home / ".ssh" / "known_hosts").unlink(missing_ok=True)


def test_a_key_with_a_passphrase_is_the_agents(user: Cli, boto: Any, bucket: str, ssh: SshServer) -> None:
    key = user.home / ".ssh" / "id_ed25519"
    socket = user.home / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert agent.poll() is None
        environment = {"SSH_AUTH_SOCK": str(socket)}
        subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True, stdin=subprocess.DEVNULL)
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", SECRET, "-f", str(key)], check=True)
        refused = user("upload", ssh.url("/empty"), f"s3://{bucket}/k")
        assert refused.rc == 14
        assert "agent" in one_line(refused)
        user.ok("upload", ssh.url("/empty"), f"s3://{bucket}/k", env=environment)
    finally:
        agent.terminate()
        agent.wait()


def test_what_is_no_file(user: Cli, bucket: str, ssh: SshServer) -> None:
    for url, code in ((ssh.url("/none"), 17), (ssh.url("/"), 5), (ssh.url("/none", scheme="scp"), 17)):
        result = user("upload", url, f"s3://{bucket}/k")
        assert result.rc == code, result.stderr
        one_line(result)


def test_the_password_of_a_url_shows_nowhere(
    user: Cli, bucket: str, ssh: SshServer, proxy: FaultProxy, tmp_path: Path
) -> None:
    """The server wants a key: curl tries the password in vain. Then one that works, stopped while it has a manifest."""
    url = ssh.url("/a ü#?", login=f"nobody-{SECRET}:{SECRET}@")
    for words in (("--debug",), ("--verbose", "--json"), ()):
        result = user("upload", *words, url, f"s3://{bucket}/k")
        assert result.rc == 14
        assert SECRET not in result.stdout + result.stderr
    import getpass

    url = ssh.url("/a ü#?", login=f"{getpass.getuser()}:{SECRET}@")
    proxy.rules.append(Rule("UploadPart", stall("request_head", seconds=60), nth=2, times=99))
    running = user.start(
        "--debug", "upload", "--part-size", "5M", "--upload-slots", "1", url, f"s3://{bucket}/k",
        env={"AWS_ENDPOINT_URL": proxy.endpoint_url},
    )  # fmt: skip
    assert proxy.wait_for(lambda: proxy.count("UploadPart") >= 2)
    running.interrupt()
    result = running.wait()
    assert SECRET not in result.stdout + result.stderr
    manifests = [path for path in user.home.rglob("*") if path.is_file() and "uploads" in path.parts]
    assert manifests
    assert all(SECRET.encode() not in path.read_bytes() for path in manifests)
