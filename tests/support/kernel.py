"""What this kernel or container allows.

A test that needs more is skipped with the reason; one that needs FUSE fails where CI=true.
Programs are not looked for here: `make test` installs them (tools/setup), and a test that misses one fails.
"""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile

import pytest


@functools.cache
def fuse_problem() -> str | None:
    """Why nothing can be mounted here; None if it can."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"/dev/fuse: {error.strerror}"
    return _mount_problem() if os.geteuid() == 0 else None


def _mount_problem() -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            subprocess.run(["umount", folder], check=True)
    return None if tried.returncode == 0 else f"root may not mount: {tried.stderr.strip()}"


@functools.cache
def own_mounts_problem() -> str | None:
    """Why a child can't have mounts of its own; None if it can."""
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", "--mount", *own, "mount", "-t", "tmpfs", "none", "/mnt"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    return None if done.returncode == 0 else f"no mounts allowed here: {done.stderr.strip()}"


def require_fuse() -> None:
    """Skips the test where nothing can be mounted; where CI=true it fails."""
    problem = fuse_problem()
    if problem is not None and os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"CI needs FUSE: {problem}", pytrace=False)
    if problem is not None:
        pytest.skip(f"needs FUSE: {problem}")


def require_own_mounts() -> None:
    """Skips the test where a child can't have mounts of its own."""
    if (problem := own_mounts_problem()) is not None:
        pytest.skip(problem)
