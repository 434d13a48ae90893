"""Web server that shows a report of runs while they train, search or retrain.

A page is rendered when a browser asks for it, if a file of its runs has changed since. The browser asks for the version
of the page every few seconds, and reloads the page when it differs from the version shown. Nothing in the run folders
is written or locked, so a queue on a cluster can be watched from a login node.

By default the server listens on the loopback interface only, and answers only requests that are addressed to it by
that name, so that a page of a different site cannot read it (DNS rebinding). On other interfaces, a request needs the
token in the printed address.
"""

import contextlib
import hashlib
import hmac
import http.cookies
import ipaddress
import os
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Sequence, Tuple
from urllib.parse import parse_qs, urlsplit

from edgeflownas.errors import InputError, find_reason
from search.report.page import render_notice

_COOKIE = "edgeflownas_token"
_UNSEEN = (".lock", ".tmp", ".html", ".png")  # ends of the names of files that are not part of a report
_HEARTBEAT = "claim"


class LivePage:
    """A page that is rendered again when a file of its runs has changed."""

    def __init__(self, folders: Sequence[Path], render: Callable[[str], str]) -> None:
        """Set up the page; nothing is rendered yet.

        Args:
            folders: Folders of the runs.
            render: Function that renders the page, given its version. An ``InputError`` is shown instead of the page.
        """
        self._folders = folders
        self._render = render
        self._lock = threading.Lock()
        self._version, self._text = "", ""

    def version(self) -> str:
        """Return a digest of the names, sizes and modification times of the files of the runs."""
        digest = hashlib.sha256()
        for folder in self._folders:
            for path, status in sorted(_list_files(folder).items()):
                digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def text(self) -> str:
        """Return the page in its current version."""
        with self._lock:  # several browsers share one rendering
            version = self.version()
            if version != self._version:
                try:
                    self._text = self._render(version)
                except InputError as error:
                    self._text = render_notice(str(error), version)
                self._version = version
            return self._text


def _list_files(folder: Path) -> Dict[str, os.stat_result]:
    """Return the files below a folder that a report may show; a file that disappears meanwhile is left out."""
    files = {}
    for parent, _, names in os.walk(str(folder)):
        for name in names:
            if name == _HEARTBEAT or name.endswith(_UNSEEN):
                continue
            path = os.path.join(parent, name)
            try:
                files[path] = os.stat(path)
            except OSError:
                continue
    return files


class ReportServer(ThreadingHTTPServer):
    """Server of one page.

    Attributes:
        page: The page.
        token: Token that every request needs; None on the loopback interface.
    """

    daemon_threads = True

    def __init__(self, page: LivePage, host: str, port: int) -> None:
        """Open the port.

        Args:
            page: The page.
            host: Name or address of the interface to listen on.
            port: Port; 0 for any free one.

        Raises:
            InputError: The port cannot be opened.
        """
        self.page = page
        self.token = None if _is_loopback(host) else secrets.token_urlsafe(16)
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = find_reason(error) if isinstance(error, OSError) else str(error)
            raise InputError(f"--serve: cannot use port {port} of {host}: {reason}; choose another --port") from None
        self._host = host

    @property
    def address(self) -> str:
        """Address of the page, with the token."""
        query = "" if self.token is None else f"?token={self.token}"
        return f"http://{self._host}:{self.server_address[1]}/{query}"


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests for the page (``/``) and for its version (``/version``)."""

    server: ReportServer

    def do_GET(self) -> None:
        """Answer a request."""
        url = urlsplit(self.path)
        given = next(iter(parse_qs(url.query).get("token", ())), None)
        if not self._is_allowed(given):
            self._answer(HTTPStatus.FORBIDDEN, "Open the address that `report --serve` has printed.")
        elif given is not None:  # keeps the token out of the history of the browser
            cookie = f"{_COOKIE}={self.server.token}; HttpOnly; SameSite=Strict"
            self._answer(HTTPStatus.SEE_OTHER, "", headers=(("Location", url.path), ("Set-Cookie", cookie)))
        elif url.path == "/version":
            self._answer(HTTPStatus.OK, self.server.page.version())
        elif url.path == "/":
            self._answer(HTTPStatus.OK, self.server.page.text(), "text/html")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "There is no such page.")

    def _is_allowed(self, given: Optional[str]) -> bool:
        token = self.server.token
        if token is None:
            return _is_loopback(urlsplit(f"//{self.headers.get('Host', '')}").hostname or "")
        cookies: http.cookies.SimpleCookie = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        if given is None and _COOKIE in cookies:
            given = cookies[_COOKIE].value
        return given is not None and hmac.compare_digest(given.encode(), token.encode())

    def _answer(
        self, status: HTTPStatus, text: str, kind: str = "text/plain", headers: Sequence[Tuple[str, str]] = ()
    ) -> None:
        content = text.encode("utf-8")
        self.send_response(status)
        for name, value in (
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Content-Length", str(len(content))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            *headers,
        ):
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the browser was closed
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
