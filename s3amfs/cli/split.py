"""`s3am split`."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from ..errors import UsageError
from . import upload as upload_command
from .options import (
    Parser,
    add_bwlimit,
    add_common,
    add_seen,
    bwlimit_of,
    config_of,
    connect_from,
    given_key,
    key_of,
    slots,
    source_client,
)

if TYPE_CHECKING:
    from ..core.locations import S3Location
    from ..core.split_job import SplitJob
    from ..engine.connect import S3Client
    from ..jobs.split import Progress
    from ..transfers.options import DownloadOptions, UploadOptions
    from .output import Output

SUMMARY = "transfer one object with many processes, on one machine or many"
DESCRIPTION = """\
Transfers one large object with many processes:

  start SRC DST -o JOB   begins the transfer and writes the job file JOB
  move JOB I/N           transfers share I of N, then helps with other shares
  status JOB             prints what is missing; exit code 0 if nothing is
  finish JOB             checks the whole object and makes it visible

The processes need only the job file, the source and the S3 service, so a Slurm
array, GNU parallel, a Kubernetes Indexed Job or a shell loop can run them.
Each of them may be killed and run again. The job file holds no secret. DST may
also be a file on a file system that all processes share."""
EXAMPLES = """\
examples:
  s3am split start /data/300GB.bam s3://bucket/300GB.bam -o job.json
  s3am split move job.json 1/4 & s3am split move job.json 2/4 & ...
  sbatch --wait --array=1-4 --wrap 's3am split move job.json $SLURM_ARRAY_TASK_ID/4'
  s3am split status job.json
  s3am split finish job.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(dest="step", metavar="STEP", required=True, parser_class=Parser)
    start = steps.add_parser("start", help="begin a transfer and write its job file")
    start.add_argument("source", metavar="SRC", help="file, URL or s3://BUCKET/KEY")
    start.add_argument("target", metavar="DST", help="s3://BUCKET/KEY, or a file on a shared file system")
    upload_command.add_transfer_arguments(start, hidden=("--resume", "--dry-run"))
    start.add_argument(
        "-o", "--output", metavar="JOB", required=True, help="write the job file here; it must not exist"
    )
    start.add_argument(
        "--file-exists", choices=("overwrite", "skip"), help="replace an existing local DST, or leave it and succeed"
    )
    start.add_argument(
        "--download-exists", choices=("discard",), help="discard the partial file of an earlier download"
    )
    move = steps.add_parser("move", help="transfer one share of the parts")
    move.add_argument("job", metavar="JOB", help="the job file")
    move.add_argument("share", metavar="I/N", help="share I of N, such as 3/8")
    move.add_argument("--slots", metavar="N", type=slots, help="number of parallel requests")
    add_bwlimit(move)
    add_seen(move)
    finish = steps.add_parser("finish", help="check the whole object and make it visible")
    finish.add_argument("job", metavar="JOB", help="the job file")
    add_seen(finish)
    status = steps.add_parser("status", help="print what is missing")
    status.add_argument("job", metavar="JOB", help="the job file")
    for step in (move, finish, status):
        _add_elsewhere(step)
    for step in (start, move, finish, status):
        add_common(step, top=False)


def _add_elsewhere(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("if this machine differs from the one that started the job")
    group.add_argument("--sse-key-file", metavar="PATH", help="file that holds the encryption key of the object in S3")
    group.add_argument("--src-sse-key-file", metavar="PATH", help="file that holds the encryption key of an s3:// SRC")
    group.add_argument("--src-endpoint-url", metavar="URL", help="S3 service of an s3:// SRC")
    group.add_argument("--src-profile", metavar="NAME", help="AWS profile for an s3:// SRC")
    group.add_argument("--src-region", metavar="NAME", help="region of an s3:// SRC")
    group.add_argument(
        "--src-no-sign-request", action="store_true", help="send no credentials to the service of an s3:// SRC"
    )


SOURCE_OPTIONS = ("src_endpoint_url", "src_profile", "src_region", "src_no_sign_request")


def run(args: argparse.Namespace, output: Output) -> int:
    if args.step == "start":
        return _start(args, output)
    from ..core.split_job import parse_share
    from ..jobs.split import load

    share = parse_share(args.share) if args.step == "move" else None
    job = load(args.job)
    client = connect_from(args, output)
    if args.step == "status":
        return _status(_progress(args, job, client, output), args.job, output)
    if share is not None and not job.finished:
        _move(args, job, client, output)
    elif share is not None:
        output.detail(f"{args.job} is finished: nothing is left to move")
    else:
        _finish(args, job, client, output)
    return 0


def _start(args: argparse.Namespace, output: Output) -> int:
    from ..core.locations import S3Location, parse_source, resolve_download_target, resolve_target
    from ..jobs.split import start_upload
    from ..jobs.split_download import start_download

    _check_start(args)
    source = parse_source(args.source)
    if isinstance(source, S3Location) and not args.target.startswith("s3://"):
        client = connect_from(args, output)
        options = _download_options(args, source, client, output)
        job = start_download(
            source,
            resolve_download_target(args.target, source, os.path.isdir),
            client,
            options,
            args.output,
            key_file=_absolute(args.sse_key_file),
            is_master=args.sse_key_is_master,
            on_event=output.on_event,
        )
    else:
        target = resolve_target(args.target, source)
        keys = given_key(args, output), given_key(args, output, "src_")
        client = connect_from(args, output)
        reader = source_client(args, output) if isinstance(source, S3Location) else None
        job = start_upload(
            source,
            target,
            client,
            upload_command.options_of(args, output, client, source, reader, target, keys),
            args.output,
            reader=reader,
            keys=lambda job: _with_key_files(job, args),
            on_event=output.on_event,
        )
    text = f"{args.output}: {job.kind} of {job.source} to {job.target}, {len(job.plan)} parts of {job.part_size} bytes"
    output.result(text, {"event": "result", "verb": "split start", "job": args.output, "parts": len(job.plan)})
    return 0


def _check_start(args: argparse.Namespace) -> None:
    """A key that was typed would have to be in the job file."""
    for name in ("sse_key", "sse_key_base64", "src_sse_key", "src_sse_key_base64"):
        if getattr(args, name) is not None:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} would put a secret into the job file: give the key as a file")
    if "@" in (args.src_endpoint_url or ""):
        raise UsageError("--src-endpoint-url holds a password, which the job file would show: give a profile")
    if args.resume:
        raise UsageError("'split start' begins a job: 's3am split move JOB I/N' continues it")
    if args.dry_run:
        raise UsageError("'split start' has no --dry-run: 's3am upload --dry-run' shows what would be done")


def _with_key_files(job: SplitJob, args: argparse.Namespace) -> SplitJob:
    from dataclasses import replace

    given = {name: str(value) for name in SOURCE_OPTIONS if (value := getattr(args, name))}
    return replace(
        job,
        reader=given or None,
        key_file=_absolute(args.sse_key_file),
        source_key_file=_absolute(args.src_sse_key_file),
        master_keys=(args.sse_key_is_master, args.src_sse_key_is_master),
    )


def _reader(args: argparse.Namespace, job: SplitJob, output: Output) -> S3Client | None:
    """A client for the source's service: as the job says, except where the options of this machine differ."""
    for name, value in (job.reader or {}).items():
        if not getattr(args, name):
            setattr(args, name, name == "src_no_sign_request" or value)
    return source_client(args, output)


def _absolute(path: str | None) -> str | None:
    return os.path.abspath(path) if path is not None else None


def _move(args: argparse.Namespace, job: SplitJob, client: S3Client, output: Output) -> None:
    from ..core.split_job import parse_share
    from ..jobs.split import move_upload
    from ..jobs.split_download import move_download

    share = parse_share(args.share)
    if job.kind == "download":
        options = _job_download_options(args, job, client, output)
        move_download(job, share, client, options, args.job, on_event=output.on_event)
        return
    reader = _reader(args, job, output)
    given = _job_options(args, job, client, reader, output)
    move_upload(job, share, client, given, args.job, reader=reader, on_event=output.on_event)


def _finish(args: argparse.Namespace, job: SplitJob, client: S3Client, output: Output) -> None:
    from ..jobs.split import finish_upload
    from ..jobs.split_download import finish_download

    if job.kind == "download":
        options = _job_download_options(args, job, client, output)
        finish_download(job, client, options, args.job, on_event=output.on_event)
        return
    reader = _reader(args, job, output)
    given = _job_options(args, job, client, reader, output)
    finish_upload(job, client, given, args.job, reader=reader, on_event=output.on_event)


def _progress(args: argparse.Namespace, job: SplitJob, client: S3Client, output: Output) -> Progress:
    from ..jobs.split import upload_progress
    from ..jobs.split_download import download_progress

    if job.kind == "download":
        return download_progress(job, args.job)
    given = _job_options(args, job, client, _reader(args, job, output), output)
    return upload_progress(job, client, given, args.job)


def _status(progress: Progress, name: str, output: Output) -> int:
    missing = len(progress.missing)
    state = f"{missing} missing" if missing else "all there: run 's3am split finish'"
    if progress.finished:
        state = "finished"
    moved = f"{progress.parts - missing} of {progress.parts} parts, {progress.bytes_moved} of {progress.size} bytes"
    text = f"{name}: {moved}, {state}"
    output.result(
        text,
        {
            "event": "split",
            "job": name,
            "parts": progress.parts,
            "missing": list(progress.missing),
            "bytes": progress.bytes_moved,
            "size": progress.size,
            "finished": progress.finished,
        },
    )
    return 1 if missing else 0


def _key_arguments(args: argparse.Namespace, job: SplitJob) -> argparse.Namespace:
    """The key files of the job, or of this machine, as options that `key_of` reads."""
    return argparse.Namespace(
        sse_key=None,
        sse_key_base64=None,
        sse_key_file=args.sse_key_file or job.key_file,
        sse_key_is_master=job.master_keys[0],
        src_sse_key=None,
        src_sse_key_base64=None,
        src_sse_key_file=args.src_sse_key_file or job.source_key_file,
        src_sse_key_is_master=job.master_keys[1],
    )


def _job_options(
    args: argparse.Namespace, job: SplitJob, client: S3Client, reader: S3Client | None, output: Output
) -> UploadOptions:
    from ..core.locations import S3Location, parse_s3_url, parse_source
    from ..transfers.options import ObjectOptions, UploadOptions

    keys = _key_arguments(args, job)
    source = parse_source(job.source)
    source_key = None
    if isinstance(source, S3Location):
        source_key = key_of(keys, source, reader or client, output, "src_")
    given = getattr(args, "slots", None)
    return UploadOptions(
        download_slots=given,
        upload_slots=given,
        object=ObjectOptions(customer_key=key_of(keys, parse_s3_url(job.target), client, output)),
        source_key=source_key,
        bwlimit=bwlimit_of(args) if args.step == "move" else 0,
        verify_tls=config_of(args, output).verify_tls,
    )


def _job_download_options(args: argparse.Namespace, job: SplitJob, client: S3Client, output: Output) -> DownloadOptions:
    from ..core.locations import parse_s3_url
    from ..transfers.options import DownloadOptions

    return DownloadOptions(
        download_slots=getattr(args, "slots", None),
        customer_key=key_of(_key_arguments(args, job), parse_s3_url(job.source), client, output),
        bwlimit=bwlimit_of(args) if args.step == "move" else 0,
    )


def _download_options(
    args: argparse.Namespace, source: S3Location, client: S3Client, output: Output
) -> DownloadOptions:
    from ..transfers.options import DownloadOptions

    return DownloadOptions(
        file_exists=args.file_exists or "refuse",
        download_exists=args.download_exists or "refuse",
        part_size=args.part_size,
        download_slots=args.download_slots,
        customer_key=key_of(args, source, client, output),
    )
