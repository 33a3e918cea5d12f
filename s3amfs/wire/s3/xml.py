"""S3's XML: building small bodies and reading answers safely. Pure; any thread.

An answer may come from a hostile server: no DTD or entity is accepted, UTF-8 only, size, depth and number of elements
are limited. Namespaces are dropped, since some servers leave them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import TransferError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
MAX_BYTES = 8 * 1024 * 1024
"""A page of 1,000 keys of 1,024 bytes, each byte escaped, is below 4 MiB."""
MAX_ELEMENTS = 200_000
MAX_DEPTH = 32

Tree = tuple[str, "str | Iterable[Tree]"]
"""An element: its name, and its text or its children."""


class MalformedXml(TransferError):
    """The server's answer is not the XML it should be."""


def build(root: Tree) -> bytes:
    """The document with S3's namespace on its root. Raises UsageError for text that XML cannot hold."""
    name, content = root
    return f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="{NAMESPACE}">{_inside(content)}</{name}>'.encode()


def _inside(content: str | Iterable[Tree]) -> str:
    if isinstance(content, str):
        return escape(content)
    return "".join(f"<{name}>{_inside(inner)}</{name}>" for name, inner in content)


def escape(text: str) -> str:
    """Escapes text so that it comes back unchanged, line ends and tabs included. Raises UsageError where XML can't."""
    out = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    out = out.replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#9;")
    if any(character < " " or "\ud800" <= character <= "\udfff" or character in "\ufffe\uffff" for character in out):
        raise UsageError(f"{text!a} cannot be written in XML: name the object singly, or without control characters")
    return out


def parse(body: bytes, *roots: str) -> Element:
    """The root of `body`, namespaces removed; with `roots`, one of these. Raises MalformedXml."""
    if len(body) > MAX_BYTES:
        raise MalformedXml(f"the server's XML answer is too large: {len(body)} bytes")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body or b"\0" in body:
        raise MalformedXml("the server's XML answer holds a document type, which S3 never sends")
    from xml.etree import ElementTree

    # The encoding is fixed, so that a declared one cannot hide a DOCTYPE from the search above.
    parser = ElementTree.XMLParser(target=_Limited(ElementTree.TreeBuilder()), encoding="utf-8")
    try:
        parser.feed(body)
        root: Element = parser.close()
    except ElementTree.ParseError as error:
        raise MalformedXml(f"the server's answer is not XML: {error}") from None
    if roots and root.tag not in roots:
        raise MalformedXml(f"the server's answer is <{root.tag[:60]}> where <{roots[0]}> was expected")
    return root


class _Limited:
    """A tree builder that drops namespaces and stops at the limits."""

    def __init__(self, builder: object) -> None:
        from xml.etree.ElementTree import TreeBuilder

        assert isinstance(builder, TreeBuilder)
        self._builder = builder
        self._depth = 0
        self._count = 0
        self.data = builder.data

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise MalformedXml("the server's XML answer has too many elements")
        self._builder.start(tag.rpartition("}")[2], {})

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._builder.end(tag.rpartition("}")[2])

    def close(self) -> Element:
        return self._builder.close()


def text(element: Element, path: str, default: str = "") -> str:
    """The text below `path` ('Owner/ID'), or `default` when the element is missing or empty."""
    found = element.find(path)
    return default if found is None or not found.text else found.text


def number(element: Element, path: str, default: int = 0) -> int:
    """The whole number below `path`; raises MalformedXml when it is none or negative."""
    value = text(element, path).strip()
    if not value:
        return default
    if not (value.isascii() and value.isdigit()) or len(value) > 20:
        raise MalformedXml(f"the server's answer has {value[:40]!r} as {path}")
    return int(value)


def flag(element: Element, path: str) -> bool:
    """Whether the element at `path` says 'true'; False if it is missing."""
    return text(element, path).strip().lower() == "true"


def children(element: Element, name: str) -> Iterator[Element]:
    """Yields the direct children called `name`."""
    return (child for child in element if child.tag == name)
