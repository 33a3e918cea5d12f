"""pandas, dask, pyarrow and friends: real round trips through `s3am://`."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest


@pytest.fixture
def options(arguments: dict[str, Any]) -> dict[str, Any]:
    return arguments


def frame() -> pd.DataFrame:
    return pd.DataFrame({"name": [f"row {i}" for i in range(200_000)], "value": range(200_000)})


def test_pandas(options: dict[str, Any], bucket: str) -> None:
    url = f"s3am://{bucket}/table"
    frame().to_parquet(url + ".parquet", storage_options=options)
    assert pd.read_parquet(url + ".parquet", storage_options=options).equals(frame())
    frame().to_csv(url + ".csv", index=False, storage_options=options)
    assert pd.read_csv(url + ".csv", storage_options=options).equals(frame())


def test_dask_workers_are_processes(options: dict[str, Any], bucket: str) -> None:
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    url = f"s3am://{bucket}/parts"
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        dd.from_pandas(frame(), npartitions=4).to_parquet(url, storage_options=options)
        table = dd.read_parquet(url, storage_options=options)
        assert int(table["value"].sum().compute()) == sum(range(200_000))


def test_pyarrow_dataset(options: dict[str, Any], bucket: str) -> None:
    import pyarrow as pa
    from pyarrow import dataset

    from s3amfs import S3AMFileSystem

    fs = S3AMFileSystem(**options)
    dataset.write_dataset(pa.Table.from_pandas(frame()), f"{bucket}/set", format="parquet", filesystem=fs)
    assert dataset.dataset(f"{bucket}/set", filesystem=fs).count_rows() == 200_000


def test_xarray_and_zarr(options: dict[str, Any], bucket: str) -> None:
    import numpy as np
    import xarray as xr

    url = f"s3am://{bucket}/grid.zarr"
    grid = xr.Dataset({"t": (("y", "x"), np.arange(4_000_000.0).reshape(2000, 2000))}).chunk(1000)
    grid.to_zarr(url, storage_options={**options, "multipart_threshold": 5 * 1024 * 1024})
    back = xr.open_zarr(url, storage_options=options)
    assert back.equals(grid)
    assert float(back["t"].sel(x=slice(10, 20)).mean()) == float(grid["t"].sel(x=slice(10, 20)).mean())


def test_universal_pathlib(options: dict[str, Any], bucket: str) -> None:
    from upath import UPath

    folder = UPath(f"s3am://{bucket}/folder", **options)
    (folder / "a").write_text("text")
    (folder / "b").write_bytes(bytes(6 * 1024 * 1024))
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    assert (folder / "a").read_text() == "text"
    assert (folder / "b").stat().st_size == 6 * 1024 * 1024
    (folder / "a").rename(folder / "c")
    assert (folder / "c").exists()
    assert not (folder / "a").exists()


def test_register_s3_only_when_asked(options: dict[str, Any]) -> None:
    import subprocess
    import sys

    code = (
        "import fsspec, s3amfs; a = fsspec.get_filesystem_class('s3').__name__; s3amfs.register_s3(); "
        "b = fsspec.get_filesystem_class('s3').__name__; print(a, b)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["S3FileSystem", "S3AMFileSystem"]


def test_s3_urls_once_registered(options: dict[str, Any], bucket: str) -> None:
    import json
    import subprocess
    import sys

    code = (
        "import fsspec, json, s3amfs, sys; s3amfs.register_s3(); options = json.load(sys.stdin); url = sys.argv[1]\n"
        "with fsspec.open(url, 'wb', **options) as file: file.write(b'x' * 3_000_000)\n"
        "with fsspec.open(url, 'rb', **options) as file: print(type(file.fs).__name__, len(file.read()))"
    )
    command = [sys.executable, "-c", code, f"s3://{bucket}/k"]
    done = subprocess.run(command, input=json.dumps(options), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["S3AMFileSystem", "3000000"]
