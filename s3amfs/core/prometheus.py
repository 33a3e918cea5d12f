"""The state of a mount as Prometheus' text format (version 0.0.4), for node_exporter's textfile collector. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Sample = tuple[Mapping[str, str], float]
"""(labels, value)."""


def metric(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    """The lines of one metric. kind: 'gauge' or 'counter'."""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        named = ",".join(f'{label}="{_escaped(given)}"' for label, given in sorted(labels.items()))
        lines.append(f"{name}{{{named}}} {value:g}" if value < 1e6 else f"{name}{{{named}}} {value:.0f}")
    return "\n".join(lines) + "\n"


def metrics_of_mount(directory: str, status: Mapping[str, object]) -> str:
    """All metrics of the mount on `directory`. status: as `s3am mount --status --json` has it."""
    base = {"mount": directory, "url": str(status.get("url", ""))}

    def by(field: str, label: str) -> list[Sample]:
        found = status.get(field)
        return [({**base, label: str(k)}, _number(v)) for k, v in found.items()] if isinstance(found, Mapping) else []

    def one(field: str) -> list[Sample]:
        return [(base, _number(status.get(field)))]

    return "".join(
        (
            metric("s3am_mount_up", "gauge", "1 while the mount answers.", [(base, 1.0)]),
            metric("s3am_mount_open_files", "gauge", "Open files by state.", by("open", "state")),
            metric("s3am_mount_waiting_changes", "gauge", "Changes that wait to be stored.", one("waiting")),
            metric("s3am_mount_requests_total", "counter", "Requests by price class.", by("requests", "class")),
            metric("s3am_mount_sent_bytes_total", "counter", "Bytes of request bodies.", one("bytes_up")),
            metric("s3am_mount_received_bytes_total", "counter", "Bytes of response bodies.", one("bytes_down")),
        )
    )


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(found: object) -> float:
    return float(found) if isinstance(found, int | float) else 0.0
