"""One object, many machines: `transfer` and `write_object` for a dask cluster (extra `dask`).

from distributed import Client
from s3amfs import cluster

cluster.transfer(Client("tcp://scheduler:8786"), "/shared/300GB.bam", "s3://bucket/300GB.bam")
"""

from __future__ import annotations

from .jobs.block_writer import write_object
from .jobs.dask_cluster import transfer

__all__ = ["transfer", "write_object"]
