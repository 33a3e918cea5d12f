"""Commands that a warm process forks: their descriptors, environment, folder and end are those of the client."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import warm


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    with warm.serving(tmp_path_factory.mktemp("warm")) as words:
        yield words


def test_a_command_has_what_its_client_has(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "script").write_text("import os, sys; print(os.getcwd(), os.environ['A'], input()); sys.exit(7)")
    environment = {"PATH": os.environ["PATH"], "A": "b"}
    done = subprocess.run(
        [*words, "script", "script"], cwd=tmp_path, env=environment, input="hi\n", capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{tmp_path} b hi\n", "")


def test_a_command_is_killed_with_its_client(words: list[str]) -> None:
    code = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    with subprocess.Popen([*words, "python", code], stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        command = os.pidfd_open(int(client.stdout.readline()))
        client.send_signal(signal.SIGKILL)
        assert select.select([command], [], [], 30)[0], "it runs on"
        os.close(command)
