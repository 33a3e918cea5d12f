"""A 1 GiB upload while a tenth of all requests fails, beside the same upload without faults; with the null server."""

from __future__ import annotations

import json
import statistics
import urllib.request
from pathlib import Path

from .bench import MIB, Bench, Run, make_data, null_server, s3am

SHARE = 0.1
SEEDS = range(1, 8)
SIZE = 1024 * MIB


def faults(bench: Bench) -> None:
    """Runs take turns; the means count, since some seeds are luckier than others."""
    source = bench.folder / "data" / "faults"
    checksum = make_data(source, SIZE)
    calm: list[tuple[Run, int]] = []
    rough: list[tuple[Run, int]] = []
    for seed in SEEDS:
        calm.append(_upload(bench, source, checksum, 0.0, seed))
        rough.append(_upload(bench, source, checksum, SHARE, seed))
    source.unlink()
    for name, runs in (("no faults", calm), (f"{SHARE:.0%} of requests fail", rough)):
        mean = Run(
            max(abs(run.code) for run, _ in runs),
            statistics.mean(run.wall for run, _ in runs),
            statistics.mean(run.cpu for run, _ in runs),
            max(run.memory for run, _ in runs),
            next((run.output for run, _ in runs if run.code), ""),
        )
        sent = statistics.mean(sent for _, sent in runs)
        bench.measured(f"upload of 1 GiB, {name}", "s3am", mean, f"{sent / MIB:.0f} MiB sent, {len(runs)} seeds")
    times = [statistics.mean(run.wall for run, _ in runs) for runs in (rough, calm)]
    bytes_sent = [statistics.mean(sent for _, sent in runs) for runs in (rough, calm)]
    bench.verdict("10 % of requests fail: exit code", max(abs(run.code) for run, _ in rough), 0)
    bench.verdict("10 % of requests fail: time, times that without", times[0] / times[1], 1.5)
    bench.verdict("10 % of requests fail: bytes, times those without", bytes_sent[0] / bytes_sent[1], 1.25)


def _upload(bench: Bench, source: Path, checksum: str, share: float, seed: int) -> tuple[Run, int]:
    with null_server(source, checksum, fail=share, seed=seed) as address:
        run = bench.once(
            s3am("upload", "--json", str(source), "s3://bench/up-f", "--endpoint-url", f"http://{address}")
        )
        with urllib.request.urlopen(f"http://{address}/received") as answer:
            received = int(answer.read())
    # What was on its way when the server cut the connection only the sender knows.
    sent = 0 if run.code else json.loads(run.output.strip().splitlines()[-1])["bytes_sent"]
    return run, max(sent, received)
