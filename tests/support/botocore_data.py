"""What botocore makes anew for each session and each client, though it is always the same: made once a process."""

from __future__ import annotations

import copy
import functools
import os
from typing import Any

from botocore import endpoint_provider, loaders, session


def read_data_once() -> None:
    """Sessions share what botocore reads from its own files, as the clients of one session do: most of their cost."""
    read, services = loaders.JSONFileLoader.load_file, loaders.Loader.list_available_services
    read_file = functools.cache(lambda path: read(loaders.JSONFileLoader(), path))
    found: dict[tuple[str, ...], Any] = {}

    def list_services(self: Any, type_name: str) -> Any:
        key = (type_name, *self.search_paths)
        if key not in found:
            found[key] = services(self, type_name)
        return found[key]

    loaders.JSONFileLoader.load_file = lambda self, path: read_file(path)
    loaders.Loader.list_available_services = list_services
    _register_handlers_once()
    _build_rules_once()


def load_authorities_once() -> None:
    """Sessions of aiobotocore that trust the same authorities share a context, which each makes, https or not.

    Reading some hundred of them from their file is most of a session's cost.
    """
    from aiobotocore.httpsession import AIOHTTPSession

    build = AIOHTTPSession._build_ssl_contexts
    built: dict[tuple[object, float], Any] = {}

    def build_once(self: Any, proxy_url: str | None) -> Any:
        if not self._verify or self._cert_file or proxy_url:
            return build(self, proxy_url)
        key = (self._verify, 0.0 if self._verify is True else os.stat(self._verify).st_mtime)
        if key not in built:
            built[key] = build(self, proxy_url)
        return built[key]

    AIOHTTPSession._build_ssl_contexts = build_once


def make_shared() -> None:
    """Makes all of that now, in a process that forks: children find it."""
    from s3amfs.wire.aws.endpoints import EndpointRules, EndpointSettings

    session.Session()
    EndpointRules(loaders.create_loader(), EndpointSettings())


def _register_handlers_once() -> None:
    """A session's some hundred handlers are a copy of the first one's, as each client's are of its session's."""
    register = session.Session._register_builtin_handlers
    registered: dict[type, Any] = {}

    def copy_handlers(self: Any, events: Any) -> None:
        emitter = self._original_handler
        if emitter._handlers._root != type(emitter)()._handlers._root:
            register(self, events)  # brought by the caller, with handlers of its own
        elif type(emitter) not in registered:
            register(self, events)
            registered[type(emitter)] = copy.copy(emitter._handlers)
        else:
            emitter._handlers = copy.copy(registered[type(emitter)])

    session.Session._register_builtin_handlers = copy_handlers


def _build_rules_once() -> None:
    """One set of rules for all endpoint providers that have the same data: its rules have no state."""
    build = endpoint_provider.RuleSet
    built: dict[tuple[int, int], tuple[Any, ...]] = {}

    def rule_set(*, partitions: Any, rules: Any, **data: Any) -> Any:
        key = (id(rules), id(partitions))
        if key not in built:  # with the data, so that no other can have their place
            built[key] = (build(partitions=partitions, rules=rules, **data), rules, partitions)
        return built[key][0]

    endpoint_provider.RuleSet = rule_set
