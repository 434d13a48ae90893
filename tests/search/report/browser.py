"""A headless browser."""

import contextlib
import shutil
from typing import Any, Iterator, List

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
DRIVER = shutil.which("chromedriver") or ""
SKIP_REASON = "needs Chromium and its driver: apt-get install chromium chromium-driver"


@contextlib.contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Start Chromium with a log of its console."""
    options = Options()
    options.binary_location = CHROMIUM
    for word in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--enable-unsafe-swiftshader", "--hide-scrollbars",
        "--disable-background-networking", "--no-first-run",
    ):  # fmt: skip
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(service=Service(DRIVER), options=options)
    try:
        chrome.set_page_load_timeout(120)
        yield chrome
    finally:
        chrome.quit()


def show(chrome: webdriver.Chrome, url: str, width: int = 1360, height: int = 900, theme: str = "light") -> None:
    """Open a page at a window size and in a theme, without network, and wait until it is interactive."""
    chrome.execute_cdp_cmd("Network.enable", {})
    off = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    chrome.execute_cdp_cmd("Network.emulateNetworkConditions", off)
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    switch(chrome, theme)
    chrome.get(url)
    interactive(chrome)


def interactive(chrome: webdriver.Chrome) -> float:
    """Return the seconds from opening the page until its front was visible and responsive."""
    mark = "return performance.getEntriesByName('interactive').map(entry => entry.startTime)"
    (milliseconds,) = WebDriverWait(chrome, 120).until(lambda _: chrome.execute_script(mark))
    return float(milliseconds) / 1000


def first_paint(chrome: webdriver.Chrome) -> float:
    """Return the seconds from opening the page until its text was visible."""
    entry = "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
    return float(chrome.execute_script(entry)) / 1000


def switch(chrome: webdriver.Chrome, theme: str) -> None:
    """Switch the system's theme to light or dark."""
    features = [{"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def complaints(chrome: webdriver.Chrome) -> List[Any]:
    """Return all console messages except those of the software renderer on its own speed."""
    return [entry for entry in chrome.get_log("browser") if "GL Driver Message" not in entry["message"]]
