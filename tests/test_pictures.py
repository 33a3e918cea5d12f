"""The pictures in the manual are what the tables say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _pictures() -> object:
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "tools" / "pictures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pictures = _pictures()


def test_pictures_are_drawn_from_the_tables() -> None:
    text = pictures.PAGE.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert pictures.drawn(text) == text, "run `python tools/pictures.py`"  # type: ignore[attr-defined]


def test_each_table_has_its_picture() -> None:
    text = pictures.PAGE.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    shown = re.findall(r"<!-- table (\S+) -->\n```mermaid", text)
    assert sorted(shown) == sorted(pictures.TABLES)  # type: ignore[attr-defined]


def test_a_picture_of_something_else_is_refused() -> None:
    with pytest.raises(KeyError):
        pictures.drawn("<!-- table os.path -->\n<!-- end of table -->")  # type: ignore[attr-defined]
