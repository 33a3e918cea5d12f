"""fsspec's own contract (fsspec.tests.abstract) on the real server, with the engine forced for every size.

SeaweedFS keeps listing the folders of keys that were deleted, as if something were in them, which S3 does not: so after
each removal here they are removed from its file tree, too.
"""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem, make_path_posix
from fsspec.tests import abstract

from s3amfs import S3AMFileSystem
from s3amfs.demo.seaweed import SeaweedServer


class FolderlessFileSystem(S3AMFileSystem):
    """Folders go with their last key, as in S3."""

    filer = ""

    def rm(self, path: Any, recursive: bool = False, **kwargs: Any) -> None:
        super().rm(path, recursive=recursive, **kwargs)
        for removed in [path] if isinstance(path, str) else path:
            bucket, *names = self._strip_protocol(removed).split("/")
            while names and self._remove_if_empty(bucket, "/".join(names)):
                names.pop()
        self.invalidate_cache()

    def _remove_if_empty(self, bucket: str, folder: str) -> bool:
        if self.call_s3("list_objects_v2", Bucket=bucket, Prefix=f"{folder}/", MaxKeys=1)["KeyCount"]:
            return False
        where = f"{self.filer}/buckets/{bucket}/{folder}?recursive=true&ignoreRecursiveError=true"
        urllib.request.urlopen(urllib.request.Request(where, method="DELETE"), timeout=10).close()
        return True


class Fixtures(abstract.AbstractFixtures):  # type: ignore[misc]
    @pytest.fixture
    def fs(self, arguments: dict[str, Any], s3: SeaweedServer, monkeypatch: pytest.MonkeyPatch) -> S3AMFileSystem:
        monkeypatch.setattr(FolderlessFileSystem, "filer", s3.filer_url)
        return FolderlessFileSystem(**{**arguments, "multipart_threshold": 0}, skip_instance_cache=True)

    @pytest.fixture
    def fs_path(self, bucket: str) -> str:
        return bucket

    @pytest.fixture
    def fs_join(self) -> Any:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def fs_target(self, fs: S3AMFileSystem, fs_path: str) -> str:
        return f"{fs_path}/target"

    @pytest.fixture
    def local_fs(self) -> LocalFileSystem:
        return LocalFileSystem(auto_mkdir=True)

    @pytest.fixture
    def local_path(self, tmp_path: Any) -> str:
        return str(make_path_posix(str(tmp_path)))

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(abstract.AbstractCopyTests, Fixtures):  # type: ignore[misc]
    pass


class TestGet(abstract.AbstractGetTests, Fixtures):  # type: ignore[misc]
    pass


class TestPut(abstract.AbstractPutTests, Fixtures):  # type: ignore[misc]
    pass


class TestOpen(abstract.AbstractOpenTests, Fixtures):  # type: ignore[misc]
    pass


class TestPipe(abstract.AbstractPipeTests, Fixtures):  # type: ignore[misc]
    pass
