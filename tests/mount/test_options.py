"""Options of a mount: the defaults that the manual names, and an option of the command line for each."""

from __future__ import annotations

import argparse
from dataclasses import fields

from s3amfs.cli import mount as command
from s3amfs.cli.mount_helper import OURS
from s3amfs.mount.options import LEAST_CACHE_DISK, MountOptions

ELSEWHERE = {"debug"}
"""An option of every command."""


def test_each_is_an_option_of_the_command_line() -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    known = {action.dest for action in parser._actions}
    assert {field.name for field in fields(MountOptions)} - known == ELSEWHERE


def test_each_with_a_value_is_one_of_fstab() -> None:
    assert {field.name for field in fields(MountOptions)} >= OURS
    assert {"cache_dir", "cache_disk", "write_back"} <= OURS


def test_defaults() -> None:
    options = MountOptions()
    assert (options.write_back, options.cache_dir, options.read_only) == (0, None, False)
    assert options.cache_size == 48 * 2**20
    assert options.spool_keep == 2**30
    assert options.cache_disk == 10 * 2**30 >= LEAST_CACHE_DISK
