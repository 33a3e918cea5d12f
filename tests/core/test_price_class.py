from __future__ import annotations

import pytest

from s3amfs.core.price_class import PriceClass, price_class


@pytest.mark.parametrize(
    ("method", "url", "found"),
    [
        ("PUT", "https://h/b/k?partNumber=1&uploadId=x", PriceClass.WRITE),
        ("POST", "https://h/b/k?uploads=", PriceClass.WRITE),
        ("GET", "https://h/b/k", PriceClass.READ),
        ("GET", "https://h/b/k?versionId=3", PriceClass.READ),
        ("HEAD", "https://h/b/k", PriceClass.READ),
        ("GET", "https://h/b?list-type=2&prefix=x", PriceClass.WRITE),
        ("GET", "https://h/b?prefix=x&uploads", PriceClass.WRITE),
        ("GET", "https://h/b/k?uploadId=x", PriceClass.WRITE),
        ("GET", "https://h/b?versions", PriceClass.WRITE),
        ("DELETE", "https://h/b/k?uploadId=x", PriceClass.FREE),
    ],
)
def test_classes(method: str, url: str, found: PriceClass) -> None:
    assert price_class(method, url) is found


def test_a_source_that_is_no_s3() -> None:
    assert price_class("GET", "ftp://h/f", is_s3=False) is PriceClass.FOREIGN
