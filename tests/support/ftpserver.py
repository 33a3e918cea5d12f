"""A real FTP server (pyftpdlib) on a free port, in a thread of its own, with a record of commands.

    with FtpServer(folder, user="u", password="p") as ftp:
        ftp.url("/file")                    # ftp://u:p@127.0.0.1:PORT/file
        ftp.url("/file", credentials=False)

Switches: `without` takes commands away (REST, SIZE, MDTM, …), `certificate` makes it explicit FTPS (curl: ftps needs
implicit=True), `rate` throttles, `cut_after`/`cuts` end data connections early.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())  # else it sets up logging to stderr itself
logging.getLogger("pyftpdlib").propagate = False


class FtpServer:
    """folder: what it serves (read only). user=None: anonymous. certificate: PEM with key (`certs.both`)."""

    def __init__(
        self,
        folder: Path,
        *,
        user: str | None = "user",
        password: str = "p@ss:w/rd",
        without: tuple[str, ...] = (),
        certificate: Path | None = None,
        implicit: bool = False,
        rate: float = 0,
    ) -> None:
        self.folder, self.user, self.password = folder, user, password
        self.commands: list[tuple[str, str]] = []
        """(command, argument) as they came; the argument of PASS is left out."""
        self.logins = 0
        self.bytes_sent = 0
        """Of all data connections that have ended."""
        self.cut_after: int | None = None
        """Bytes after which a data connection is closed, for the next `cuts` downloads (None: all)."""
        self.cuts: int | None = None
        self._implicit = implicit
        self._server = self._make(without, certificate, implicit, rate)
        self.port: int = self._server.socket.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FtpServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def url(self, path: str, *, credentials: bool = True, scheme: str | None = None) -> str:
        """URL of `path`, which is escaped here; with user and password unless told not to."""
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user and credentials else ""
        return f"{scheme or ('ftps' if self._implicit else 'ftp')}://{who}localhost:{self.port}{quote(path)}"

    def count(self, command: str) -> int:
        """How often this command came; count('RETR') counts downloads."""
        return sum(name == command for name, _ in self.commands)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._server.ioloop.loop(timeout=0.05, blocking=False)  # serve_forever would log every call
        self._server.close_all()

    def _take_cut(self) -> int | None:
        if self.cut_after is None or self.cuts == 0:
            return None
        if self.cuts is not None:
            self.cuts -= 1
        return self.cut_after

    def _make(self, without: tuple[str, ...], certificate: Path | None, implicit: bool, rate: float) -> Any:
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.ioloop import IOLoop
        from pyftpdlib.servers import FTPServer

        authorizer = DummyAuthorizer()
        if self.user is None:
            authorizer.add_anonymous(str(self.folder))
        else:
            authorizer.add_user(self.user, self.password, str(self.folder), perm="elr")
        handler = self._handler(certificate, implicit, rate)
        handler.authorizer = authorizer
        handler.proto_cmds = {k: v for k, v in handler.proto_cmds.items() if k not in without}
        handler.passive_ports = None
        handler.unicode_errors = "surrogateescape"  # names may be any bytes
        server = FTPServer(("127.0.0.1", 0), handler, ioloop=IOLoop())
        server.max_cons_per_ip = 0
        return server

    def _handler(self, certificate: Path | None, implicit: bool, rate: float) -> Any:
        from pyftpdlib import handlers

        owner = self
        plain_base, data_base = handlers.FTPHandler, handlers.ThrottledDTPHandler if rate else handlers.DTPHandler
        if certificate is not None:
            plain_base, data_base = handlers.TLS_FTPHandler, handlers.TLS_DTPHandler

        class Data(data_base):  # type: ignore[misc, valid-type]
            ac_out_buffer_size = 512 * 1024
            left_to_cut: int | None = None
            asked = False

            def initiate_send(self) -> None:
                if not self._cut():
                    super().initiate_send()

            def initiate_sendfile(self) -> None:
                if not self._cut():
                    super().initiate_sendfile()

            def _cut(self) -> bool:
                """Ends the data connection in the middle of a download when its time has come."""
                if self.cmd != "RETR" or self._closed:
                    return False
                if not self.asked:
                    self.asked, self.left_to_cut = True, owner._take_cut()
                if self.left_to_cut is None or self.tot_bytes_sent < self.left_to_cut:
                    return False
                self._resp = ("426 Connection closed; transfer aborted.", handlers.logger.debug)
                self.close()
                return True

            def close(self) -> None:
                if not self._closed:
                    owner.bytes_sent += self.tot_bytes_sent
                super().close()

        if rate:
            Data.write_limit = rate

        class Control(plain_base):  # type: ignore[misc, valid-type]
            dtp_handler = Data

            def handle(self) -> None:
                if implicit:
                    self.secure_connection(self.ssl_context)  # the greeting follows in handle_ssl_established
                else:
                    super().handle()

            def handle_ssl_established(self) -> None:
                if implicit:
                    super().handle()

            def on_login(self, username: str) -> None:
                owner.logins += 1

            def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
                owner.commands.append((cmd, "" if cmd == "PASS" else arg))
                super().pre_process_command(line, cmd, arg)

        if certificate is not None:
            Control.certfile = str(certificate)
        return Control
