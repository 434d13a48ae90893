"""A real browser without a screen."""

import contextlib
import shutil
from typing import Any, Iterator, List

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
DRIVER = shutil.which("chromedriver") or ""
WHY_NOT = "needs Chromium and its driver: apt-get install chromium chromium-driver"


@contextlib.contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium, offline, which notes what its console says."""
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
    """Opens a page at a size and in a theme, with the network cut off."""
    chrome.execute_cdp_cmd("Network.enable", {})
    off = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    chrome.execute_cdp_cmd("Network.emulateNetworkConditions", off)
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    switch(chrome, theme)
    chrome.get(url)


def interactive(chrome: webdriver.Chrome) -> float:
    """Seconds from the begin of the page that is open until its front was on the screen and answered."""
    mark = "return performance.getEntriesByName('interactive').map(each => each.startTime)"
    (milliseconds,) = WebDriverWait(chrome, 120).until(lambda _: chrome.execute_script(mark))
    return float(milliseconds) / 1000


def switch(chrome: webdriver.Chrome, theme: str) -> None:
    """Lets the system be light or dark."""
    features = [{"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def complaints(chrome: webdriver.Chrome) -> List[Any]:
    """Errors of the console, and anything else but the software renderer's notes on its own speed."""
    return [each for each in chrome.get_log("browser") if "GL Driver Message" not in each["message"]]
