from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.prometheus import metrics_of_mount

LABEL = r'\w+="(?:[^"\\\n]|\\[\\"n])*"'
LINE = re.compile(rf"# (?:HELP|TYPE) s3am_\S+ \S.*|s3am_\w+\{{{LABEL}(?:,{LABEL})*\}} \d[\d.e+-]*")


def test_a_mount() -> None:
    status = {
        "url": "s3://b/p",
        "open": {"clean": 2},
        "waiting": 3,
        "requests": {"GET, HEAD": 7},
        "bytes_up": 12_345_678_901,
    }
    lines = metrics_of_mount('/mnt/"x"', status).splitlines()
    base = r'mount="/mnt/\"x\""'
    assert f's3am_mount_open_files{{{base},state="clean",url="s3://b/p"}} 2' in lines
    assert f's3am_mount_waiting_changes{{{base},url="s3://b/p"}} 3' in lines
    assert f's3am_mount_requests_total{{class="GET, HEAD",{base},url="s3://b/p"}} 7' in lines
    assert f's3am_mount_sent_bytes_total{{{base},url="s3://b/p"}} 12345678901' in lines
    assert "# TYPE s3am_mount_requests_total counter" in lines


@given(st.text(), st.dictionaries(st.text(max_size=5), st.integers(0, 10**15)))
def test_any_name_is_escaped(directory: str, states: dict[str, int]) -> None:
    text = metrics_of_mount(directory, {"url": directory, "open": states, "waiting": "?"})
    assert text.endswith("\n")
    for line in text.removesuffix("\n").split("\n"):
        assert LINE.fullmatch(line), line


def test_the_text_of_an_idle_mount_and_of_numbers() -> None:
    text = metrics_of_mount("/m", {"open": [], "waiting": "?", "bytes_up": 999_999.5, "bytes_down": 1_000_000})
    values = [line for line in text.splitlines() if not line.startswith("#")]
    assert values == [
        's3am_mount_up{mount="/m",url=""} 1',
        's3am_mount_waiting_changes{mount="/m",url=""} 0',
        's3am_mount_sent_bytes_total{mount="/m",url=""} 1e+06',
        's3am_mount_received_bytes_total{mount="/m",url=""} 1000000',
    ]
