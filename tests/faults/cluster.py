"""Chaos of transfers that several processes move, by `s3am split` and by dask.

    python -m tests.faults.cluster --runs 300 --seed 1

Its last line and exit code are those of tests.faults.chaos; a failing run prints the seed that replays it here.
"""

from __future__ import annotations

import sys

from tests.faults.chaos import CLUSTER_KINDS, main

if __name__ == "__main__":
    sys.exit(main(CLUSTER_KINDS))
