"""Puts the manual page and the completions, made from the command line's own texts, into wheels (not editable ones)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACES = {
    "man": "share/man/man1/s3am.1",
    "bash": "share/bash-completion/completions/s3am",
    "zsh": "share/zsh/site-functions/_s3am",
    "fish": "share/fish/vendor_completions.d/s3am.fish",
}


class Texts(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from s3amfs.cli.completion import text_for

        for shell, place in PLACES.items():
            made = Path(self.directory) / "texts" / Path(place).name
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text(text_for(shell) + "\n", encoding="utf-8")
            build_data["shared_data"][str(made)] = place
