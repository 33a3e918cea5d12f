"""Transfers by a real dask cluster of processes: up, across and down, resumed, a worker killed; a tree."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from s3amfs import cluster
from s3amfs.core.events import Event, WorkerMoved
from s3amfs.core.locations import S3Location
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import connect
from s3amfs.errors import NotFound, SourceChanged, TransferError, UsageError
from s3amfs.jobs.dask_cluster import connected, transfer_with
from s3amfs.jobs.workers import Cluster, _Run
from s3amfs.transfers.options import DownloadOptions, UploadOptions
from tests.support.cli import Cli
from tests.support.dask import MIB, config, content, kill, own_scheduler, small_parts
from tests.support.faults import Rule, delay, stall
from tests.support.proxy import FaultProxy


def test_a_file_and_a_copy(dask: Any, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path) -> None:
    data = os.urandom(42 * MIB + 7)
    (tmp_path / "big").write_bytes(data)
    url = f"s3://{bucket}/k"
    done = cluster.transfer(dask, str(tmp_path / "big"), url, config=config(s3), options=small_parts())
    assert done.proof == "crc64nvme of the whole object, checked by the server"
    assert content(boto, bucket, "k") == data
    cluster.transfer(dask, url, f"s3://{bucket}/copy", config=config(s3), options=small_parts())
    assert content(boto, bucket, "copy") == data
    assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)


def test_workers_read_a_source_in_another_service(
    dask: Any, s3: SeaweedServer, boto: Any, bucket: str, proxy: FaultProxy
) -> None:
    data = os.urandom(12 * MIB)
    boto.put_object(Bucket=bucket, Key="from", Body=data)
    reader = connect(config(s3, proxy.endpoint_url))
    source, target = S3Location(bucket, "from"), S3Location(bucket, "k")
    transfer_with(Cluster(dask), source, target, connect(config(s3)), small_parts(), reader=reader)
    assert content(boto, bucket, "k") == data
    assert proxy.count("GetRange") >= 2


def test_a_killed_worker_costs_what_it_had_in_hand(
    dask: Any,
    s3: SeaweedServer,
    boto: Any,
    bucket: str,
    tmp_path: Path,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = os.urandom(100 * MIB + 7)
    (tmp_path / "big").write_bytes(data)
    proxy.rules.append(Rule("UploadPart", delay(0.3)))
    pids = list(dask.run(os.getpid).values())

    # A helper may send what the slower worker has just sent: that is not what is counted here.
    monkeypatch.setattr("s3amfs.core.dispatch.MUCH_LONGER", float("inf"))
    killer = threading.Thread(
        target=lambda: proxy.wait_for(lambda: proxy.count("UploadPart", status=200) >= 4) and kill(pids[0])
    )
    killer.start()
    there, url = config(s3, proxy.endpoint_url), f"s3://{bucket}/k"
    done = cluster.transfer(dask, str(tmp_path / "big"), url, config=there, options=small_parts(), slots=4)
    killer.join()
    assert content(boto, bucket, "k") == data
    assert done.proof == "crc64nvme of the whole object, checked by the server"
    assert len(proxy.parts_sent_again()) == 0


def test_a_worker_that_dies_with_its_outcome(
    dask: Any, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has moved its batch, and is killed before the client has fetched the records from it."""
    data = os.urandom(42 * MIB + 7)
    (tmp_path / "big").write_bytes(data)
    pids, fetch, once = dask.run(os.getpid), _Run._fetch, threading.Lock()

    def killed_before(self: _Run, worker: str, future: Any) -> None:
        if once.acquire(blocking=False):
            kill(pids[worker])
        fetch(self, worker, future)

    monkeypatch.setattr(_Run, "_fetch", killed_before)
    cluster.transfer(dask, str(tmp_path / "big"), f"s3://{bucket}/k", config=config(s3), options=small_parts())
    assert once.locked()
    assert content(boto, bucket, "k") == data


def test_a_client_that_died_resumes(
    dask: Any, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    data = os.urandom(52 * MIB)
    (tmp_path / "big").write_bytes(data)
    there, url = config(s3, proxy.endpoint_url), f"s3://{bucket}/k"

    def stop(event: Any) -> None:
        if event.event == "completing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster.transfer(dask, str(tmp_path / "big"), url, config=there, options=small_parts(), on_event=stop)
    before = proxy.count("UploadPart")
    cluster.transfer(dask, str(tmp_path / "big"), url, config=there, options=small_parts())
    assert proxy.count("UploadPart") == before
    assert content(boto, bucket, "k") == data


def test_a_transfer_whose_scheduler_was_killed_is_resumed_from_another_machine_by_another_cluster(
    dask: Any,
    s3: SeaweedServer,
    boto: Any,
    bucket: str,
    tmp_path: Path,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("s3amfs.core.dispatch.MUCH_LONGER", float("inf"))
    data = os.urandom(42 * MIB + 7)
    (tmp_path / "big").write_bytes(data)
    there, url, folder = config(s3, proxy.endpoint_url), f"s3://{bucket}/k", tmp_path / "dask"
    folder.mkdir()
    # The first batch is two parts: of the second one the records are lost with the scheduler.
    proxy.rules.append(Rule("UploadPart", stall("before_response", 2), nth=(5,)))
    with own_scheduler(s3, folder) as (client, kill_scheduler):
        killer = threading.Thread(
            target=lambda: proxy.wait_for(lambda: proxy.count("UploadPart") >= 5) and kill_scheduler()
        )
        killer.start()
        with pytest.raises(TransferError, match="run the same command again"):
            cluster.transfer(client, str(tmp_path / "big"), url, config=there, options=small_parts())
        killer.join()
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path / "state of another machine"))
    again = UploadOptions(unfinished="resume")
    cluster.transfer(dask, str(tmp_path / "big"), url, config=there, options=again)
    assert content(boto, bucket, "k") == data
    assert proxy.parts_sent_again() == []
    assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)


def test_a_source_that_workers_do_not_have(dask: Any, s3: SeaweedServer, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        cluster.transfer(dask, str(tmp_path / "nothing"), f"s3://{bucket}/k", config=config(s3))


def test_no_key_travels(dask: Any, s3: SeaweedServer, bucket: str, tmp_path: Path) -> None:
    from s3amfs.core.ssec import CustomerKey
    from s3amfs.transfers.options import ObjectOptions

    (tmp_path / "f").write_bytes(b"x")
    options = UploadOptions(object=ObjectOptions(customer_key=CustomerKey(b"k" * 32)))
    with pytest.raises(UsageError, match="key files"):
        cluster.transfer(dask, str(tmp_path / "f"), f"s3://{bucket}/k", config=config(s3), options=options)


# -- down -------------------------------------------------------------------------------------------------------------


def ranges(**more: Any) -> DownloadOptions:
    return DownloadOptions(part_size=5 * MIB, **more)


def test_an_object_into_a_file(dask: Any, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path) -> None:
    data = os.urandom(42 * MIB + 7)
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    events: list[Event] = []
    done = cluster.transfer(
        dask, f"s3://{bucket}/k", str(tmp_path / "f"), config=config(s3), options=ranges(), on_event=events.append
    )
    assert (tmp_path / "f").read_bytes() == data
    assert "of the whole object, as S3 stores it" in done.proof
    assert (done.parts_sent, done.bytes_sent) == (9, len(data))
    last = {event.worker: event.bytes for event in events if isinstance(event, WorkerMoved)}
    assert sum(last.values()) == len(data)
    assert set(last) <= set(dask.nthreads())
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_download_whose_client_died_is_continued_by_workers(
    dask: Any, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    data = os.urandom(52 * MIB)
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    there, url, file = config(s3, proxy.endpoint_url), f"s3://{bucket}/k", str(tmp_path / "f")

    def stop(event: Event) -> None:
        if isinstance(event, WorkerMoved):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster.transfer(dask, url, file, config=there, options=ranges(), on_event=stop)
    done = cluster.transfer(dask, url, file, config=there, options=ranges(download_exists="resume"))
    assert done.parts_resumed > 0
    assert done.parts_sent == done.parts - done.parts_resumed
    assert Path(file).read_bytes() == data


def test_a_source_that_one_worker_does_not_see_is_named_before_anything_is_begun(
    dask: Any, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "big").write_bytes(os.urandom(11 * MIB))

    look = Cluster.look

    def as_if_it_were_another(self: Cluster, *arguments: Any) -> None:
        os.truncate(tmp_path / "big", 5)
        look(self, *arguments)

    monkeypatch.setattr(Cluster, "look", as_if_it_were_another)
    with pytest.raises(SourceChanged, match="workers can't do it, such as tcp"):
        cluster.transfer(dask, str(tmp_path / "big"), f"s3://{bucket}/k", config=config(s3), options=small_parts())
    assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)


def test_a_tree_and_a_download_by_the_command(dask: Any, cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    large = os.urandom(70 * MIB)
    (tree / "large").write_bytes(large)
    (tree / "small").write_bytes(b"small")
    address = ("--dask", dask.scheduler.address)
    done = cli("sync", *address, tree, f"s3://{bucket}/tree")
    assert done.rc == 0, done.stderr
    assert content(boto, bucket, "tree/large") == large
    assert content(boto, bucket, "tree/small") == b"small"
    done = cli("sync", *address, f"s3://{bucket}/tree", tmp_path / "back")
    assert done.rc == 0, done.stderr
    assert (tmp_path / "back" / "large").read_bytes() == large
    done = cli("--json", "download", *address, f"s3://{bucket}/tree/large", tmp_path / "one")
    assert done.rc == 0, done.stderr
    assert (tmp_path / "one").read_bytes() == large
    assert any(line["event"] == "worker_moved" for line in done.json_lines())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("download", "--processes", "2", "--dry-run", "s3://b/k", "f"), "--dry-run"),
        (("download", "--processes", "2", "--sse-key", "k" * 32, "s3://b/k", "f"), "key files"),
        (("upload", "--dask", "local:2", "--bwlimit", "08:00,10M 18:00,off", __file__, "s3://b/k"), "one rate"),
        (("sync", "--dask", "local:no", ".", "s3://bucket/k"), "local:N"),
        (("sync", "--processes", "2", "--src-sse-key", "k" * 32, "s3://bucket1", "s3://bucket2"), "key files"),
    ],
)
def test_options_that_workers_do_not_take(cli: Cli, words: tuple[str, ...], says: str) -> None:
    done = cli(*words)
    assert done.rc == 2, done.stderr
    assert says in done.stderr


def test_a_client_that_could_not_connect_has_ended_before_another_one_begins() -> None:
    """One that is collected while another begins waits for ever for a lock of dask that this one has."""
    before = set(Client._instances)
    with pytest.raises(TransferError, match="no dask scheduler answers at") as failed, connected("nothing://here"):
        pass
    assert set(Client._instances) <= before
    assert failed.value.__context__ is None, "its traceback would keep the client"
