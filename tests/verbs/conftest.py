"""The names that tests here take from tests/support/clients.py."""

from tests.support.clients import PART, Events, client_of

__all__ = ["PART", "Events", "client_of"]
