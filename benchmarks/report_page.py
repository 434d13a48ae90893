"""How long the report's page takes in a browser until it can be used: seconds from opening until the front is seen.

    .venv/bin/python -m benchmarks.report_page results/demo/report.html

Chromium without a screen and without a graphics card: WebGL in software, so a desk's browser is faster. Cold is a
browser that was just started, warm the same one when it opens the page again. The machine's load stands beside the
seconds, as other work makes them longer; the processor time of the browser, all its processes, hangs less on it.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import psutil
from selenium import webdriver

from edgeflownas.storage.files import write_json
from tests.search.report.browser import browser, complaints, interactive, show


def openings(page: Path) -> List[Dict[str, float]]:
    """Of a browser that was just started, and again."""
    with browser() as chrome:
        found = []
        for _ in range(2):
            before = _processor_seconds(chrome)
            show(chrome, page.resolve().as_uri())
            seconds = interactive(chrome)
            found.append({"seconds": seconds, "processor": _processor_seconds(chrome) - before})
        if complaints(chrome):
            raise SystemExit(f"the page complains: {complaints(chrome)}")
        return found


def _processor_seconds(chrome: webdriver.Chrome) -> float:
    """Of all the browser's processes so far."""
    processes = psutil.Process(chrome.service.process.pid).children(recursive=True)
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="report.html of a run")
    parser.add_argument("--openings", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    measured = [openings(arguments.page) for _ in range(arguments.openings)]
    result: Dict[str, Any] = {"page_mib": round(arguments.page.stat().st_size / 2**20, 2)}
    for kind, each in zip(("cold", "warm"), zip(*measured)):
        for name in ("seconds", "processor"):
            values = [round(one[name], 2) for one in each]
            result[f"{kind}_{name}"] = {"median": round(float(np.median(values)), 2), "all": values}
    result.update(cores=os.cpu_count(), load_average=[round(each, 1) for each in os.getloadavg()])
    print(json.dumps(result, indent=2))
    if arguments.json is not None:
        write_json(arguments.json, result)


if __name__ == "__main__":
    main()
