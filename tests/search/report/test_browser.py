"""The page as a person uses it, in Chromium without a screen."""

import csv
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait  # type: ignore[attr-defined]

from search.report.contents import read
from search.report.palette import colour
from search.report.report import write_report
from search.report.summary import tiles
from tests.search.report import browser
from tests.search.report.made import CYCLES, picture, searched

pytestmark = pytest.mark.skipif(not (browser.CHROMIUM and browser.DRIVER), reason=browser.WHY_NOT)

SANE = 60.0  # seconds: a bound for a loaded machine; benchmarks/report_page.py measures


@pytest.fixture(scope="module")
def chrome():
    with browser.browser() as opened:
        yield opened


@pytest.fixture
def opened(chrome, page):
    browser.show(chrome, page.as_uri())
    chrome.get_log("browser")
    return chrome


@pytest.fixture(scope="module")
def rows(page):
    with (page.with_suffix("") / "front.csv").open(newline="") as file:
        return {row["architecture"]: row for row in csv.DictReader(file)}


def text(chrome, selector):
    return chrome.find_element(By.CSS_SELECTOR, selector).text


def on_front(rows):
    return sorted((row for row in rows.values() if row["on_front"] == "1"), key=lambda row: float(row["fps"]))


def place_of(chrome, row):
    """Where an architecture is in the window, pixels."""
    chrome.execute_script("document.getElementById('plot').scrollIntoView({block: 'center', behavior: 'instant'})")
    x, y = chrome.execute_script(
        "const plot = document.getElementById('plot'), box = plot.getBoundingClientRect(), l = plot._fullLayout;"
        "return [box.left + l._size.l + l.xaxis.l2p(arguments[0]), box.top + l._size.t + l.yaxis.l2p(arguments[1])];",
        float(row["fps"]), float(row["epe"]),
    )  # fmt: skip
    return x, y


def move_to(chrome, row):
    """Puts the pointer on an architecture in the plot."""
    x, y = place_of(chrome, row)
    for place in ((x - 60, y), (x, y)):
        event = {"type": "mouseMoved", "x": place[0], "y": place[1]}
        chrome.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    return x, y


def point_at(chrome, row):
    """Moves there until the page, which may be busy, has taken notice."""
    places = []

    def noticed():
        places.append(move_to(chrome, row))
        time.sleep(0.3)  # plotly looks every 50 ms
        return row["architecture"] in text(chrome, "#tooltip")

    wait(chrome, noticed)
    return places[-1]


def click(chrome, row):
    x, y = point_at(chrome, row)
    for kind in ("mousePressed", "mouseReleased"):
        event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
        chrome.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def wait(chrome, condition):
    WebDriverWait(chrome, SANE).until(lambda _: condition())


def compared(chrome):
    return [each.text for each in chrome.find_elements(By.CSS_SELECTOR, "#comparison thead .digits")]


@pytest.mark.parametrize(("width", "theme"), [(1360, "light"), (390, "dark")])
def test_it_opens_from_disk_without_a_complaint_and_fits_the_window(chrome, page, theme, width):
    chrome.get_log("browser")
    browser.show(chrome, page.as_uri(), width, theme=theme)
    drawn = "return drawn.size === places.length && places.every(place => place.querySelector('.main-svg'))"
    wait(chrome, lambda: chrome.execute_script(drawn))
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.complaints(chrome) == []
    seconds = browser.interactive(chrome)
    print(f"interactive after {seconds:.2f} s")
    assert seconds < SANE


def test_the_front_is_on_the_screen_before_anything_else_is_drawn(page):
    """What the mark says, which the benchmark reads."""
    note = ("const mark = performance.mark.bind(performance); performance.mark = name => { if (name === 'interactive')"
            " window.then = [window.framed, drawn.size, document.querySelectorAll('#plot .main-svg').length > 0];"
            " return mark(name); };"
            " const frame = requestAnimationFrame; window.framed = 0;"
            " requestAnimationFrame = action => frame(time => { window.framed++; action(time); });")  # fmt: skip
    with browser.browser() as fresh:
        fresh.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": note})
        browser.show(fresh, page.as_uri())
        browser.interactive(fresh)
        frames, others, front = fresh.execute_script("return window.then")
    assert frames >= 1 and others == 0 and front


def test_tables_are_not_squeezed_where_there_is_little_room(chrome, page):
    browser.show(chrome, page.as_uri(), 390)
    lines = chrome.find_elements(By.CSS_SELECTOR, "#ranking tbody tr, #retraining tbody tr")
    assert len(lines) == 8 and max(line.size["height"] for line in lines) < 40


def test_genes_that_differ_are_marked_in_the_comparison(opened):
    look = ("return [...document.querySelectorAll('#comparison tbody tr')].filter(row => row.cells[0].textContent =="
            " arguments[0]).map(row => [new Set([...row.cells].slice(1).map(cell => cell.textContent)).size > 1,"
            " Number(getComputedStyle(row.cells[1]).fontWeight) > 500])")  # fmt: skip
    genes = [each.text for each in opened.find_elements(By.CSS_SELECTOR, ".gene > button")]
    marks = [opened.execute_script(look, gene)[0] for gene in genes]
    assert all(differs == bold for differs, bold in marks) and any(bold for _, bold in marks)


def test_all_architectures_are_in_the_plot(opened, rows):
    counts = opened.execute_script("return document.getElementById('plot').data.map(trace => trace.x.length)")
    assert sum(counts[:3]) == len(rows) == 19_683
    assert opened.execute_script("return document.getElementById('plot').data[0].type") == "scattergl"
    assert text(opened, "#count").startswith("19,683 of 19,683 architectures shown")


def test_points_lie_behind_the_front(opened, rows):
    x, y = map(round, place_of(opened, on_front(rows)[-2]))
    pixels = cv2.imdecode(np.frombuffer(opened.get_screenshot_as_png(), np.uint8), cv2.IMREAD_COLOR)
    assert "#{2:02x}{1:02x}{0:02x}".format(*pixels[y, x]) == colour("run 0")


def test_pointing_at_an_architecture_shows_its_figures(opened, rows):
    row = on_front(rows)[-2]
    point_at(opened, row)
    card = text(opened, "#tooltip")
    for said in (f"{float(row['epe']):.4f} px", f"{float(row['fps']):.2f}", f"{float(row['sram_kib']):.1f} KiB",
                 f"{float(row['npu_cycles']):,.0f}", row["cost_source"], row["origin"], "EB0 "):  # fmt: skip
        assert said in card


def test_a_click_compares_with_cycles_by_part_and_a_second_one_takes_it_away(opened, rows):
    row = on_front(rows)[1]
    before = compared(opened)
    assert len(before) == 3 and row["architecture"] not in before
    click(opened, row)
    wait(opened, lambda: compared(opened) == [*before, row["architecture"]])
    lines = opened.find_elements(By.CSS_SELECTOR, "#comparison tbody tr")
    table = [[cell.text for cell in line.find_elements(By.CSS_SELECTOR, "th, td")] for line in lines]
    assert table[0][4].startswith(f"{float(row['epe']):.4f} px")
    parts = {line[0]: int(line[4].replace(",", "")) for line in table[-5:]}
    options = {"E0": 0, "EB0": int(row["architecture"][0]), "H2Out": int(row["architecture"][8])}
    cycles = {name: CYCLES[name][option] for name, option in options.items()}
    assert {name: parts[name] for name in cycles} == cycles
    assert parts["waiting for memory"] + sum(cycles.values()) == parts["together"]
    assert parts["together"] == round(float(row["latency_ms"]) * 400e3)
    click(opened, row)
    wait(opened, lambda: compared(opened) == before)


def test_filters_leave_what_was_asked_for(opened, rows):
    def shown():
        return int(text(opened, "#count").split(" of")[0].replace(",", ""))

    opened.find_element(By.XPATH, "//div[@id='gene-options']/div[2]/div/button[3]").click()
    assert shown() == sum(each[1] != "2" for each in rows)
    opened.find_element(By.ID, "find").send_keys("2..0")
    assert shown() == sum(each[1] != "2" and each[0] == "2" and each[3] == "0" for each in rows)
    Select(opened.find_element(By.ID, "origin")).select_by_visible_text("scored along")
    assert shown() == sum(
        name[1] != "2" and name[0] == "2" and name[3] == "0" and row["origin"] == "scored along"
        for name, row in rows.items()
    )
    opened.find_element(By.ID, "reset").click()
    assert shown() == len(rows) and browser.complaints(opened) == []


def test_a_genes_name_colours_by_it(opened, rows):
    opened.find_element(By.XPATH, "//div[@id='gene-options']/div[9]/button").click()
    counts = opened.execute_script("return document.getElementById('plot').data.slice(0, 3).map(each => each.x.length)")
    assert counts == [sum(each[8] == str(option) for each in rows) for option in range(3)]
    assert "coloured by H2Out" in text(opened, "#count")


def test_without_a_pointer_the_front_can_be_compared_too(opened, rows):
    first = on_front(rows)[1]["architecture"]
    opened.find_element(By.CSS_SELECTOR, "#front-table summary").click()
    buttons = opened.find_elements(By.CSS_SELECTOR, "#front-table button")
    assert len(buttons) == len(on_front(rows))
    opened.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", buttons[1])
    buttons[1].send_keys("\n")
    assert first in compared(opened)


def test_zoom_shows_the_front_alone(opened, rows):
    opened.find_element(By.ID, "zoom").click()
    low, high = opened.execute_script("return document.getElementById('plot')._fullLayout.xaxis.range")
    fps = [float(row["fps"]) for row in on_front(rows)]
    assert low < min(fps) and max(fps) < high and high - low < 1.2 * (max(fps) - min(fps))


def test_it_follows_the_system_from_light_to_dark(opened):
    look = ("return [getComputedStyle(document.body).backgroundColor,"
            " document.getElementById('plot').data[0].marker.color]")  # fmt: skip
    light = opened.execute_script(look)
    browser.switch(opened, "dark")
    wait(opened, lambda: opened.execute_script(look)[1] != light[1])
    assert opened.execute_script(look)[0] != light[0]
    browser.switch(opened, "light")


def test_runs_side_by_side_can_be_chosen_between(chrome, demo, folder):
    searched(folder / "other", 1, "seed=5", enumerated=False)
    path = Path(folder) / "two.html"
    write_report([read(demo.folder), read(folder / "other")], path, lambda contents: None, picture)
    chrome.get_log("browser")
    browser.show(chrome, path.as_uri())
    names = chrome.execute_script("return document.getElementById('plot').data.map(trace => trace.name)")
    assert "front of demo" in names and "front of other" in names
    Select(chrome.find_element(By.ID, "run")).select_by_index(1)
    scored = len(read(folder / "other").archive)
    assert f"{scored:,} of {scored:,}" in text(chrome, "#count") and browser.complaints(chrome) == []


def test_the_tiles_say_what_the_run_has_reached(opened, demo):
    from search.report.points import points

    contents = read(demo.folder)
    found = {tile.name: tile.value for tile in tiles(contents, points(contents))}
    assert f"{float(found['Best EPE']):.3f}" in text(opened, ".tiles") and "19,683" in text(opened, ".tiles")
