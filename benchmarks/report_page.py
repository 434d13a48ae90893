"""Measure how long the report page takes to become usable in a browser: seconds from opening to visible text (paint)
and to a visible front (seconds).

    .venv/bin/python -m benchmarks.report_page results/demo/report.html

Chromium runs headless and without a graphics card, with WebGL in software, so a desktop browser is faster. "Cold" is a
browser that was just started, "warm" the same browser when it opens the page again. The load average is reported next
to the timings, because other processes slow the page down; the CPU time of the browser processes is less affected.
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
from tests.search.report.browser import browser, complaints, first_paint, interactive, show


def open_twice(page: Path) -> List[Dict[str, float]]:
    """Measure how long the page takes to open in a freshly started browser, and then again in the same browser."""
    with browser() as chrome:
        measured = []
        for _ in range(2):
            before = _processor_seconds(chrome)
            show(chrome, page.resolve().as_uri())
            seconds = interactive(chrome)
            processor = _processor_seconds(chrome) - before
            measured.append({"paint": first_paint(chrome), "seconds": seconds, "processor": processor})
        if complaints(chrome):
            raise SystemExit(f"the browser reports errors: {complaints(chrome)}")
        return measured


def _processor_seconds(chrome: webdriver.Chrome) -> float:
    """Return the processor time used so far by all processes of the browser."""
    processes = psutil.Process(chrome.service.process.pid).children(recursive=True)
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="report.html of a run")
    parser.add_argument("--openings", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    measured = [open_twice(arguments.page) for _ in range(arguments.openings)]
    result: Dict[str, Any] = {"page_mib": round(arguments.page.stat().st_size / 2**20, 2)}
    for kind, openings in zip(("cold", "warm"), zip(*measured)):
        for name in ("paint", "seconds", "processor"):
            values = [round(opening[name], 2) for opening in openings]
            result[f"{kind}_{name}"] = {"median": round(float(np.median(values)), 2), "all": values}
    result.update(cores=os.cpu_count(), load_average=[round(load, 1) for load in os.getloadavg()])
    print(json.dumps(result, indent=2))
    if arguments.json is not None:
        write_json(arguments.json, result)


if __name__ == "__main__":
    main()
