"""The page as a person uses it, in headless Chromium."""

import csv
import shlex
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
from search.report.summary import make_key_figures
from tests.search.report import browser
from tests.search.report.made import CYCLES, at_root, picture, searched, searched_eleven_genes

pytestmark = pytest.mark.skipif(not (browser.CHROMIUM and browser.DRIVER), reason=browser.SKIP_REASON)

TIME_LIMIT = 60.0  # seconds, for a loaded machine; benchmarks/report_page.py measures the real time


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
    """Return the position of an architecture in the window, in pixels."""
    chrome.execute_script("document.getElementById('plot').scrollIntoView({block: 'center', behavior: 'instant'})")
    x, y = chrome.execute_script(
        "const plot = document.getElementById('plot'), box = plot.getBoundingClientRect(), l = plot._fullLayout;"
        "return [box.left + l._size.l + l.xaxis.l2p(arguments[0]), box.top + l._size.t + l.yaxis.l2p(arguments[1])];",
        float(row["fps"]), float(row["epe"]),
    )  # fmt: skip
    return x, y


def move_to(chrome, row):
    """Move the pointer to an architecture in the plot."""
    x, y = place_of(chrome, row)
    for position in ((x - 60, y), (x, y)):
        event = {"type": "mouseMoved", "x": position[0], "y": position[1]}
        chrome.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    return x, y


def point_at(chrome, row):
    """Move the pointer to an architecture until the page, which may be busy, shows its tooltip."""
    positions = []

    def tooltip_is_shown():
        positions.append(move_to(chrome, row))
        time.sleep(0.3)  # plotly checks every 50 ms
        return row["architecture"] in text(chrome, "#tooltip")

    wait(chrome, tooltip_is_shown)
    return positions[-1]


def click(chrome, row):
    x, y = point_at(chrome, row)
    for kind in ("mousePressed", "mouseReleased"):
        event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
        chrome.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def wait(chrome, condition):
    WebDriverWait(chrome, TIME_LIMIT).until(lambda _: condition())


def compared(chrome):
    return [element.text for element in chrome.find_elements(By.CSS_SELECTOR, "#comparison thead .digits")]


@pytest.mark.parametrize(("width", "theme"), [(1360, "light"), (390, "dark")])
def test_page_opens_from_disk_without_errors_and_fits_the_window(chrome, page, theme, width):
    chrome.get_log("browser")
    browser.show(chrome, page.as_uri(), width, theme=theme)
    drawn = "return drawn.size === places.length && places.every(place => place.querySelector('.main-svg'))"
    wait(chrome, lambda: chrome.execute_script(drawn))
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.complaints(chrome) == []
    seconds = browser.interactive(chrome)
    print(f"interactive after {seconds:.2f} s")
    assert seconds < TIME_LIMIT


def test_front_is_visible_before_anything_else_is_drawn(page):
    """The mark that the benchmark reads is set at this moment."""
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
        paint, interactive = browser.first_paint(fresh), browser.interactive(fresh)
    assert frames >= 1 and others == 0 and front
    assert paint < interactive


def test_tables_are_not_squeezed_in_a_narrow_window(chrome, page):
    browser.show(chrome, page.as_uri(), 390)
    lines = chrome.find_elements(By.CSS_SELECTOR, "#ranking tbody tr, #retraining tbody tr")
    assert len(lines) == 8 and max(line.size["height"] for line in lines) < 40


def test_comparison_marks_genes_that_differ(opened):
    look = ("return [...document.querySelectorAll('#comparison tbody tr')].filter(row => row.cells[0].textContent =="
            " arguments[0]).map(row => [new Set([...row.cells].slice(1).map(cell => cell.textContent)).size > 1,"
            " Number(getComputedStyle(row.cells[1]).fontWeight) > 500])")  # fmt: skip
    genes = [button.text for button in opened.find_elements(By.CSS_SELECTOR, ".gene > button")]
    marks = [opened.execute_script(look, gene)[0] for gene in genes]
    assert all(differs == bold for differs, bold in marks) and any(bold for _, bold in marks)


def test_plot_contains_all_architectures(opened, rows):
    counts = opened.execute_script("return document.getElementById('plot').data.map(trace => trace.x.length)")
    assert sum(counts[:3]) == len(rows) == 19_683
    assert opened.execute_script("return document.getElementById('plot').data[0].type") == "scattergl"
    assert text(opened, "#count").startswith("19,683 of 19,683 architectures shown")


def test_points_are_behind_the_front(opened, rows):
    x, y = map(round, place_of(opened, on_front(rows)[-2]))
    pixels = cv2.imdecode(np.frombuffer(opened.get_screenshot_as_png(), np.uint8), cv2.IMREAD_COLOR)
    assert "#{2:02x}{1:02x}{0:02x}".format(*pixels[y, x]) == colour("run 0")


def test_hovering_over_an_architecture_shows_its_figures(opened, rows):
    row = on_front(rows)[-2]
    point_at(opened, row)
    tooltip = text(opened, "#tooltip")
    for expected in (f"{float(row['epe']):.4f} px", f"{float(row['fps']):.2f}", f"{float(row['sram_kib']):.1f} KiB",
                 f"{float(row['npu_cycles']):,.0f}", row["cost_source"], row["origin"], "EB0 "):  # fmt: skip
        assert expected in tooltip


def test_click_adds_to_the_comparison_with_cycles_by_part_and_second_click_removes(opened, rows):
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
    assert parts["waiting for memory"] + sum(cycles.values()) == parts["total"]
    assert parts["total"] == round(float(row["latency_ms"]) * 400e3)
    click(opened, row)
    wait(opened, lambda: compared(opened) == before)


def test_comparison_has_sizes_and_a_command_for_each_architecture(opened, demo):
    lines = opened.find_elements(By.CSS_SELECTOR, "#comparison tbody tr")
    table = {line.find_element(By.TAG_NAME, "th").text: line.find_elements(By.TAG_NAME, "td") for line in lines}
    commands = opened.find_elements(By.CSS_SELECTOR, "#comparison .command code")
    assert len(commands) == len(compared(opened)) == 3
    for index, digits in enumerate(compared(opened)):
        architecture = demo.space.parse(digits)
        macs = demo.skeleton.macs(architecture, 64, 96)
        parameters = sum(int(np.prod(shape)) for shape in demo.skeleton.parameters(architecture).values())
        assert table["MACs"][index].text == f"{macs / 1e6:,.1f} million"
        assert table["parameters"][index].text == f"{parameters:,}"
        words = shlex.split(commands[index].text)
        assert words[1:] == ["export", "--config", str(demo.config_file), "--run", str(demo.folder), digits]


def test_limits_of_the_search_are_lines(chrome, folder):
    with at_root():
        run = searched(folder / "limited", 1, "evolution.constraints={fps: {min: 150}, latency_ms: {max: 5}}")
        write_report([read(run.folder)], run.folder / "report.html", lambda contents: CYCLES, picture)
    browser.show(chrome, (run.folder / "report.html").as_uri())
    shapes = chrome.execute_script("return document.getElementById('plot').layout.shapes")
    assert [(shape["x0"], shape["label"]["text"]) for shape in shapes] == [
        (150, "limit: ≥ 150 FPS"), (200, "limit: ≤ 5 ms")
    ]  # fmt: skip


def test_filters_select_matching_architectures(opened, rows):
    def shown():
        return int(text(opened, "#count").split(" of")[0].replace(",", ""))

    opened.find_element(By.XPATH, "//div[@id='gene-options']/div[2]/div/button[3]").click()
    assert shown() == sum(name[1] != "2" for name in rows)
    opened.find_element(By.ID, "find").send_keys("2..0")
    assert shown() == sum(name[1] != "2" and name[0] == "2" and name[3] == "0" for name in rows)
    Select(opened.find_element(By.ID, "origin")).select_by_visible_text("scored in addition")
    assert shown() == sum(
        name[1] != "2" and name[0] == "2" and name[3] == "0" and row["origin"] == "scored in addition"
        for name, row in rows.items()
    )
    opened.find_element(By.ID, "reset").click()
    assert shown() == len(rows) and browser.complaints(opened) == []


def test_click_on_the_name_of_a_gene_colours_by_it(opened, rows):
    opened.find_element(By.XPATH, "//div[@id='gene-options']/div[9]/button").click()
    script = "return document.getElementById('plot').data.slice(0, 3).map(trace => trace.x.length)"
    counts = opened.execute_script(script)
    assert counts == [sum(name[8] == str(option) for name in rows) for option in range(3)]
    assert "coloured by H2Out" in text(opened, "#count")


def test_front_can_be_compared_with_the_keyboard(opened, rows):
    first = on_front(rows)[1]["architecture"]
    opened.find_element(By.CSS_SELECTOR, "#front-table summary").click()
    buttons = opened.find_elements(By.CSS_SELECTOR, "#front-table button")
    assert len(buttons) == len(on_front(rows))
    opened.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", buttons[1])
    buttons[1].send_keys("\n")
    assert first in compared(opened)


def test_zoom_shows_only_the_front(opened, rows):
    opened.find_element(By.ID, "zoom").click()
    low, high = opened.execute_script("return document.getElementById('plot')._fullLayout.xaxis.range")
    fps = [float(row["fps"]) for row in on_front(rows)]
    assert low < min(fps) and max(fps) < high and high - low < 1.2 * (max(fps) - min(fps))


def test_page_follows_the_theme_of_the_system(opened):
    look = ("return [getComputedStyle(document.body).backgroundColor,"
            " document.getElementById('plot').data[0].marker.color]")  # fmt: skip
    light = opened.execute_script(look)
    browser.switch(opened, "dark")
    wait(opened, lambda: opened.execute_script(look)[1] != light[1])
    assert opened.execute_script(look)[0] != light[0]
    browser.switch(opened, "light")


def test_one_of_several_runs_can_be_selected(chrome, demo, folder):
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


def test_runs_of_different_spaces_are_shown_beside_each_other(chrome, demo, folder):
    runs = [read(demo.folder), read(searched_eleven_genes(folder / "more").folder)]
    path = Path(folder) / "two_spaces.html"
    write_report(runs, path, lambda contents: CYCLES, picture)
    chrome.get_log("browser")
    browser.show(chrome, path.as_uri())
    traces = "return document.getElementById('plot').data.map(trace => [trace.name, trace.x.length])"
    lines = dict(chrome.execute_script(traces))
    for contents in runs:
        assert lines[f"front of {contents.name}"] == len(contents.front(contents.archive))
    chrome.find_element(By.ID, "find").send_keys("2")
    for number in (1, 0, 1):
        Select(chrome.find_element(By.ID, "run")).select_by_index(number)
        genes = chrome.find_elements(By.CSS_SELECTOR, "#gene-options .gene > button")
        assert [gene.text for gene in genes] == [gene.name for gene in runs[number].run.space.genes]
        shown = text(chrome, "#count").split(" architectures")[0].split(" of ")
        assert shown[0] == shown[1], "the filters of one space do not apply to another"
    for place in chrome.find_elements(By.CSS_SELECTOR, "#gene-options .gene"):
        place.find_element(By.TAG_NAME, "button").click()
    chrome.find_element(By.CSS_SELECTOR, "#front-table summary").click()
    chrome.find_element(By.CSS_SELECTOR, "#front-table tbody button").click()
    assert [len(name) for name in compared(chrome)] == [9] * (len(compared(chrome)) - 1) + [11]
    heads = [head.text for head in chrome.find_elements(By.CSS_SELECTOR, "#comparison tbody th")]
    assert {gene.name for contents in runs for gene in contents.run.space.genes} <= set(heads)
    assert browser.complaints(chrome) == []


def test_tiles_show_the_key_figures(opened, demo):
    from search.report.points import collect_points

    contents = read(demo.folder)
    values = {figure.name: figure.value for figure in make_key_figures(contents, collect_points(contents))}
    assert f"{float(values['Best EPE']):.3f}" in text(opened, ".tiles") and "19,683" in text(opened, ".tiles")
