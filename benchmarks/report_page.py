"""How long the report's page takes in a browser until it can be used: seconds from opening to the drawn front.

    .venv/bin/python -m benchmarks.report_page results/demo/report.html

Chromium without a screen and without a graphics card: WebGL in software, so a desk's browser is faster. Each opening is
that of a browser that was just started.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from edgeflownas.files import write_json
from tests.search.report.browser import browser, complaints, show


def opening(page: Path) -> float:
    """Seconds until the front is drawn and answers."""
    with browser() as chrome:
        show(chrome, page.resolve().as_uri())
        if complaints(chrome):
            raise SystemExit(f"the page complains: {complaints(chrome)}")
        mark = chrome.execute_script("return performance.getEntriesByName('interactive')[0].startTime")
        return float(mark) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="report.html of a run")
    parser.add_argument("--openings", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    seconds = [opening(arguments.page) for _ in range(arguments.openings)]
    result = {
        "seconds": [round(each, 3) for each in seconds],
        "median_s": round(float(np.median(seconds)), 3),
        "page_mib": round(arguments.page.stat().st_size / 2**20, 2),
    }
    print(json.dumps(result, indent=2))
    if arguments.json is not None:
        write_json(arguments.json, result)


if __name__ == "__main__":
    main()
