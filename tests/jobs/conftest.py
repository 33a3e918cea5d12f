"""Trees for tests: local folders, prefixes of a bucket, and runs of jobs in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.compare import Rules
from s3amfs.core.tree_events import EntryDone, Totals
from s3amfs.engine.connect import S3Client, S3Config, connect
from s3amfs.jobs.job_options import TreeOptions
from s3amfs.jobs.ledger import Listener
from s3amfs.jobs.sides import Ends
from s3amfs.jobs.sync import sync
from tests.support.dask import dask, dask_client
from tests.support.trees import FILES, Ran, make_tree, tree_of

__all__ = ["client", "dask", "dask_client", "run"]


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests of this process lie with the test."""
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def client(s3: Any) -> S3Client:
    return connect(S3Config(endpoint_url=s3.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key))


@pytest.fixture
def run(client: S3Client, tmp_path: Path) -> Callable[..., Ran]:
    """`run(source, target, delete=True, rules={...})` runs a job; trees are paths or s3:// URLs."""

    def run(source: Any, target: Any, *, rules: dict[str, Any] | None = None, **options: Any) -> Ran:
        using = options.pop("client", client)
        ends = Ends(tree_of(source), tree_of(target), using, options.pop("source_client", None))
        entries: list[EntryDone] = []
        notes: list[str] = []
        chosen = TreeOptions(Rules(ends.direction, **(rules or {})), state_dir=str(tmp_path / "state"), **options)
        totals: Totals = sync(ends, chosen, Listener(entries.append, notes.append))
        return Ran(totals, entries, notes)

    return run


@pytest.fixture
def src(tmp_path: Path) -> Path:
    """A folder of FILES, all of LONG_AGO."""
    return make_tree(tmp_path / "src", FILES)
