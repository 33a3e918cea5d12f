"""Mounting: a child process serves, the caller waits until it answers or learns why it can't."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.locations import S3Location
from ..core.parts import check_part_size
from ..core.sizes import MIB
from ..engine import trace
from ..engine.block_store import BlockStore
from ..engine.client import S3Client
from ..engine.connect import S3Config, connect
from ..engine.file_io import make_private
from ..engine.journal import state_dir
from ..engine.resources import take_all_descriptors
from ..errors import AccessDenied, BadCredentials, InvalidDestination, NotFound, S3AMError, TransferError, Unsupported
from .attributes import BLOCK_SIZE
from .context import Service, writer_memory
from .namespace import Tree
from .options import MountOptions
from .reader_pool import Readers
from .unmount import clear_dead, is_dead, unescape, wait_for_answer

MALLOC = {-8: 1, -3: 32 * MIB, -1: 32 * MIB}
"""mallopt(3): M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD."""
ERRORS: tuple[type[S3AMError], ...] = (
    *(NotFound, AccessDenied, BadCredentials, InvalidDestination),
    *(Unsupported, TransferError),
)
READ_SECONDS = 60.0
"""After that a read or a look fails (EIO); a write is tried as long as the retry budget, since nothing is published
after a close that failed."""
WRITE_BACK = (
    "--write-back: close() does not confirm small files; they are in S3 %g s later, or after fsync, rename or umount. "
    "If the daemon is killed 's3am pending' lists them; if the machine fails they may be lost"
)
Ready = Callable[[], None]
log = logging.getLogger("s3amfs.mount")


def mount(location: S3Location, directory: str, options: MountOptions, config: S3Config) -> None:
    """Returns when the mount answers; with `foreground`, when it is unmounted.

    Raises NotFound or AccessDenied for the bucket, InvalidDestination for `directory`, before anything is mounted.
    """
    directory = os.path.realpath(directory)
    if options.part_size is not None:
        check_part_size(options.part_size)
    if is_dead(directory):
        clear_dead(directory)
    if not os.path.isdir(directory):
        raise InvalidDestination(f"{directory} is not a directory: make it first")
    if os.path.ismount(directory):
        raise InvalidDestination(f"{directory} is mounted already: unmount it first, or use another directory")
    if options.spool_dir is not None:
        spool = os.path.abspath(options.spool_dir)
        if not os.path.isdir(spool) or not os.access(spool, os.W_OK | os.X_OK):
            raise InvalidDestination(f"{spool} is not a writable directory: give another --spool-dir")
        options = replace(options, spool_dir=spool)
    if options.cache_dir is not None:
        options = replace(options, cache_dir=os.path.abspath(options.cache_dir))
        _blocks(options)  # says now what is wrong with the folder
    if isinstance(config.verify_tls, str):
        config = replace(config, verify_tls=os.path.abspath(config.verify_tls))
    _find_libfuse()
    if options.foreground:
        _serve(location, directory, options, config, threading.Thread(target=_read_ahead_more, args=(directory,)).start)
        return
    ready, answer = os.pipe()
    child = os.fork()
    if not child:
        os.close(ready)
        _be_daemon(location, directory, options, config, answer)
    os.close(answer)
    with os.fdopen(ready, "rb") as pipe:
        said = pipe.read()
    if said == b"ready":
        _read_ahead_more(directory)
        return
    os.waitpid(child, 0)
    _raise_what_it_said(said, directory)


def _raise_what_it_said(said: bytes, directory: str) -> None:
    if said:
        name, message = json.loads(said)
        kind = next((kind for kind in ERRORS if kind.__name__ == name), TransferError)
        raise kind(message)
    raise TransferError(f"{directory} could not be mounted: see what FUSE said above")


def _be_daemon(location: S3Location, directory: str, options: MountOptions, config: S3Config, answer: int) -> None:
    """In the child: serves, never returns."""
    status = 1

    def ready() -> None:
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.write(answer, b"ready")
        os.close(answer)

    try:
        os.setsid()
        _serve(location, directory, options, config, ready)
        status = 0
    except S3AMError as error:
        os.write(answer, json.dumps([type(error).__name__, str(error)]).encode())
    except Exception as error:  # noqa: BLE001 - the parent has to learn it
        os.write(answer, json.dumps(["TransferError", f"{directory} could not be mounted: {error}"]).encode())
    finally:
        os._exit(status)


def _find_libfuse() -> None:
    """libfuse 3, explicitly: where both are, mfusepy takes libfuse 2, whose requests are 4 KiB."""
    if "FUSE_LIBRARY_PATH" in os.environ:
        return
    library = ctypes.util.find_library("fuse3")
    if library is None:
        raise Unsupported("libfuse 3 was not found: install it ('apt install fuse3', 'dnf install fuse3')")
    os.environ["FUSE_LIBRARY_PATH"] = library


def _serve(location: S3Location, directory: str, options: MountOptions, config: S3Config, ready: Ready) -> None:
    _log_to(options)
    _keep_memory()
    if options.write_back:
        take_all_descriptors()  # files that wait take two each
    client = connect(config)
    client.check_bucket(location.bucket)
    client.list_page(location.bucket, location.key, max_keys=1)
    try:
        from .operations import Operations
    except ImportError:
        raise Unsupported("the mount needs mfusepy: pip install 's3amfs[mount]'") from None
    from .fuse import serve

    reading = S3Client(client.session, client.given_engine, client.on_retry, client.on_notice)
    reading.policy = replace(client.policy, budget=min(client.policy.budget, READ_SECONDS))
    tree = Tree(client, reading, location, options)
    memory, readers = writer_memory(options), Readers(options.cache_size)
    service = Service(client, reading, location.bucket, options, memory, readers, _blocks(options))
    operations = Operations(tree, service, directory, ready)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # libfuse's own handlers unmount
    log.info("%s is mounted on %s", location.url, directory)
    if options.write_back:
        log.warning(WRITE_BACK, options.write_back)
    # Here, since the trace is that of the process that was forked.
    with trace.recording(options.trace_file, f"s3am mount {location.url}", log.warning):
        serve(operations, directory, _fuse_options(location, options))


def _blocks(options: MountOptions) -> BlockStore | None:
    """The cache on disk. Raises InvalidDestination for a folder that can't be used."""
    return None if options.cache_dir is None else BlockStore(options.cache_dir, options.cache_disk, log.warning)


def _keep_memory() -> None:
    """Buffers of a MiB come and go all the time: kept, they need no page faults."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for option, value in MALLOC.items():
            library.mallopt(option, value)


def _read_ahead_more(directory: str) -> None:
    """The kernel asks for 128 KiB at a time; more of it costs less. Only root may say so: without, it works as well.

    Not from a request of the kernel's: while it has not got the answer to its first one, it takes no more than 128 KiB.
    """
    wait_for_answer(directory)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if unescape(fields[4]) == directory:
            with contextlib.suppress(OSError):
                Path(f"/sys/class/bdi/{fields[2]}/read_ahead_kb").write_text(str(BLOCK_SIZE // 1024))


def _fuse_options(location: S3Location, options: MountOptions) -> dict[str, Any]:
    given: dict[str, Any] = {
        "fsname": _escaped(location.url),
        "subtype": "s3am",
        "default_permissions": True,
        "attr_timeout": options.metadata_ttl,
        "entry_timeout": options.metadata_ttl,
    }
    if options.read_only:
        given["ro"] = True
    if options.allow_other:
        given["allow_other"] = True
    for option in options.fuse_options:
        name, equals, value = option.partition("=")
        given[name] = value if equals else True
    return given


def _escaped(text: str) -> str:
    """For libfuse's options (fuse_opt_parse): a backslash keeps what follows it, a comma ends the value."""
    return text.replace("\\", "\\\\").replace(",", "\\,")


def _log_to(options: MountOptions) -> None:
    """To --log-file, or mount.log in the state folder; to stderr in the foreground."""
    handler: logging.Handler
    if options.log_file is None and options.foreground:
        handler = logging.StreamHandler(sys.stderr)
    else:
        path = options.log_file or os.path.join(state_dir(None), "mount.log")
        try:
            make_private(os.path.dirname(os.path.abspath(path)))
            # It has the names of files in it: for its owner alone, unless somebody has made it otherwise.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            handler = logging.FileHandler(path)
        except OSError as error:
            raise InvalidDestination(f"no log can be written to {path} ({error.strerror})") from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if options.debug else logging.INFO)
    if options.debug:
        requests = logging.getLogger("s3amfs.requests")
        requests.addHandler(handler)
        requests.setLevel(logging.DEBUG)
