"""Whole trees of `S3AMFileSystem`: listing them, put and get of folders, moving."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import Any

import fsspec
from fsspec.asyn import check_contained
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.implementations.local import make_path_posix, trailing_sep

from ..core.locations import Url, last_component
from ..errors import S3AMError
from .base import EngineFileSystem
from .bridge import run
from .local import is_writable_object, put_source
from .trees import (
    is_list,
    local_pairs,
    local_tree,
    move,
    objects_at,
    refuse_meeting,
    refuse_mixing,
    refuse_one_target,
    remote_pairs,
    remote_tree,
)
from .whole_listing import list_all


class TreeFileSystem(EngineFileSystem):
    """Folders are read by the walk of jobs/, prefixes by its listing; fsspec's own code expands patterns and lists."""

    async def _lsdir(
        self,
        path: str,
        refresh: bool = False,
        max_items: int | None = None,
        delimiter: str = "/",
        prefix: str = "",
        versions: bool = False,
    ) -> Any:
        """A whole tree is listed by the engine; one folder, and versions, by s3fs."""
        client = None
        if self._service is not None and not (delimiter or versions or self.version_aware or max_items is not None):
            with suppress(S3AMError):  # without usable credentials: s3fs's users know its errors
                client = await self.ready_client()
        if client is None:
            return await super()._lsdir(path, refresh, max_items, delimiter, prefix, versions)
        where = self.location(path)
        root = where.key.lstrip("/") + "/" if where.key else ""
        return await run(partial(list_all, client, where.bucket, root + (prefix or "")))

    async def _put(self, lpath: Any, rpath: Any, recursive: bool = False, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("on_error", None)  # s3fs's put and get take no notice of it
        if is_list(lpath):
            depth = kwargs.get("maxdepth", args[2] if len(args) > 2 else None)
            pairs = await local_pairs(self, lpath, rpath, recursive=recursive, maxdepth=depth)
            return await super()._put(*pairs, recursive, *args, **kwargs)
        if recursive and not args and kwargs.get("maxdepth") is None:
            tree = await local_tree(self, lpath, rpath)
            if tree is not None:
                done = await super()._put(tree.sources, tree.targets, **kwargs)
                tree.check()
                return done
        source = put_source(lpath) if isinstance(rpath, str) else None
        if isinstance(source, Url):  # nothing of this machine, whose folders fsspec would look at
            if rpath.endswith("/") or await self._isdir(rpath):
                rpath = f"{rpath.rstrip('/')}/{last_component(source)}"
            lpath, rpath = [lpath], [rpath]
        return await super()._put(lpath, rpath, recursive, *args, **kwargs)

    async def _get(self, rpath: Any, lpath: Any, recursive: bool = False, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("on_error", None)
        depth = kwargs.get("maxdepth", args[1] if len(args) > 1 else None)
        if is_list(rpath):
            folder = lpath if isinstance(lpath, list | tuple) else make_path_posix(os.fspath(lpath))
            pairs = await remote_pairs(self, rpath, folder, recursive=recursive, maxdepth=depth)
            refuse_one_target((source, os.path.abspath(name)) for source, name in zip(*pairs, strict=True))
            if isinstance(folder, str):
                check_contained(folder, pairs[1])
            return await super()._get(*pairs, recursive, *args, **kwargs)
        if is_writable_object(lpath):
            return await self._get_file(rpath, lpath, kwargs.get("callback", DEFAULT_CALLBACK))
        if recursive and not args and kwargs.get("maxdepth") is None:
            tree = await remote_tree(self, rpath, lpath)
            if tree is not None:
                beside: list[OSError] = []
                done = await super()._get(tree.sources, tree.targets, beside=beside, **kwargs)
                tree.check()
                if beside:
                    raise beside[0]
                return done
        if not recursive and isinstance(rpath, str) and isinstance(lpath, str | os.PathLike):
            path = make_path_posix(os.fspath(lpath))
            pairs = await objects_at(self, rpath, path, trailing_sep(path) or os.path.isdir(path), depth)
            check_contained(path, pairs[1])
            return await super()._get(*pairs, recursive, *args, **kwargs) if pairs[0] else None
        return await super()._get(rpath, lpath, recursive, *args, **kwargs)

    async def _copy(self, path1: Any, path2: Any, recursive: bool = False, *args: Any, **kwargs: Any) -> Any:
        depth = kwargs.get("maxdepth", args[1] if len(args) > 1 else None)
        copy = partial(super()._copy, path1, path2, recursive, *args)
        if is_list(path1):
            pairs = await remote_pairs(self, path1, path2, recursive=recursive, maxdepth=depth)
            copy = partial(super()._copy, *pairs, recursive, *args)
            await refuse_meeting(self, copy, kwargs)
        elif isinstance(path1, str) and isinstance(path2, str):
            if recursive:
                await refuse_mixing(self, path1, path2, copy, kwargs)
            else:
                is_folder = trailing_sep(path2) or await self._isdir(path2)
                pairs = await objects_at(self, path1, path2, is_folder, depth)
                copy = partial(super()._copy, *pairs, recursive, *args)
        return await copy(**kwargs)

    async def _mv(
        self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> None:
        """Copies, then removes what was copied, and nothing else; if a copy fails nothing is removed."""
        await move(self, path1, path2, recursive=recursive, maxdepth=maxdepth, **kwargs)

    mv = fsspec.asyn.sync_wrapper(_mv)
