"""The server of a report: what it answers, to whom, and when the page is rendered again."""

import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.client import HTTPConnection
from pathlib import Path
from typing import Iterator, List

import pytest
from selenium.webdriver.support.wait import WebDriverWait

from edgeflownas.errors import InputError
from search.report.serve import LivePage, ReportServer
from tests.search.report import browser
from tests.search.report.made import ROOT, searched

TIME_LIMIT = 120.0  # seconds, for a loaded machine


class Rendered:
    """A run folder, and the versions of its page that were rendered."""

    def __init__(self, folder: Path) -> None:
        self.versions: List[str] = []
        self.page = LivePage([folder], self._render)

    def _render(self, version: str) -> str:
        self.versions.append(version)
        return f"page {len(self.versions)}"


@pytest.fixture
def rendered(tmp_path: Path) -> Rendered:
    (tmp_path / "log.csv").write_text("1")
    return Rendered(tmp_path)


def serving(page: LivePage, host: str = "127.0.0.1") -> Iterator[ReportServer]:
    with ReportServer(page, host, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server(rendered: Rendered) -> Iterator[ReportServer]:
    yield from serving(rendered.page)


@pytest.fixture
def open_server(rendered: Rendered) -> Iterator[ReportServer]:
    yield from serving(rendered.page, "0.0.0.0")


def get(server: ReportServer, path: str, **headers: str):
    """Return the response to a request that is not redirected."""
    connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=TIME_LIMIT)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    response.text = response.read().decode()  # type: ignore[attr-defined]
    connection.close()
    return response


def test_page_is_rendered_again_only_when_a_file_changes(rendered, server, tmp_path):
    assert [get(server, "/").text for _ in range(2)] == ["page 1", "page 1"]
    (tmp_path / "log.csv").write_text("1, 2")
    assert get(server, "/version").text != rendered.versions[-1]
    assert get(server, "/").text == "page 2"
    assert get(server, "/version").text == rendered.versions[-1]


@pytest.mark.parametrize("name", ["tasks/000/claim", "search.lock", "report.html", "log.csv.tmp"])
def test_heartbeats_and_the_report_itself_are_not_changes(rendered, server, tmp_path, name):
    before = get(server, "/version").text
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    assert get(server, "/version").text == before


def test_new_and_deleted_files_are_changes(server, tmp_path):
    versions = [get(server, "/version").text]
    (tmp_path / "queue").mkdir()
    (tmp_path / "queue" / "state.json").write_text("{}")
    versions.append(get(server, "/version").text)
    (tmp_path / "log.csv").unlink()
    versions.append(get(server, "/version").text)
    assert len(set(versions)) == 3


def test_folder_that_does_not_exist_yet_is_shown_as_a_notice(tmp_path):
    def render(version: str) -> str:
        raise InputError("results/x: contains no <run>")

    page = LivePage([tmp_path / "absent"], render)
    assert "results/x: contains no &lt;run&gt;" in page.text() and page.version() in page.text()


def test_unknown_paths_are_not_found(server):
    for path in ("/config.yaml", "/../config.yaml", "/version/", "/log.csv"):
        assert get(server, path).status == 404


@pytest.mark.parametrize("host, status", [("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:9", 200), ("a.test", 403)])
def test_requests_to_another_name_are_refused(server, host, status):
    assert get(server, "/", Host=host).status == status


def test_other_interfaces_need_the_token(open_server):
    token = open_server.address.split("=")[1]
    for path, cookie in (("/", ""), ("/version", ""), ("/?token=wrong", ""), ("/", "edgeflownas_token=wrong")):
        assert get(open_server, path, Cookie=cookie).status == 403
    response = get(open_server, f"/?token={token}")
    assert response.status == 303 and response.headers["Location"] == "/"
    assert get(open_server, "/", Cookie=response.headers["Set-Cookie"].split(";")[0]).text == "page 1"


def test_taken_port_is_reported(server, rendered):
    port = server.server_address[1]
    with pytest.raises(InputError, match=f"--serve: cannot use port {port} of 127.0.0.1: .*; choose another --port"):
        ReportServer(rendered.page, "127.0.0.1", port)


@pytest.mark.skipif(not (browser.CHROMIUM and browser.DRIVER), reason=browser.SKIP_REASON)
def test_browser_shows_a_running_search(tmp_path):
    short, longer = searched(tmp_path / "run", 2), searched(tmp_path / "longer", 4)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "search", "report", str(short.folder), "--serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, universal_newlines=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "http://" in line)
        with browser.browser() as chrome:
            chrome.get(line.split()[1])
            wait = WebDriverWait(chrome, TIME_LIMIT)
            wait.until(lambda _: "2 generations" in chrome.page_source)
            shutil.copy(str(longer.search_file), str(short.search_file))
            wait.until(lambda _: "4 generations" in chrome.page_source)
            assert browser.complaints(chrome) == []
            process.terminate()
            wait.until(lambda _: "The server of this page has stopped" in chrome.page_source)


def test_served_address_answers(server, rendered):
    with urllib.request.urlopen(server.address, timeout=TIME_LIMIT) as response:
        assert response.read() == b"page 1" and response.headers["Content-Type"] == "text/html; charset=utf-8"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(server.address + "x", timeout=TIME_LIMIT)
