import io
import re
import time

import pyte
import pytest
from rich.console import Console
from rich.live import Live

from edgeflownas import progress as module
from edgeflownas.progress import format_duration, phase, progress, say


def captured(monkeypatch, terminal):
    text = io.StringIO()
    monkeypatch.setattr(module, "console", Console(file=text, force_terminal=terminal, width=80, highlight=False))
    return text


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.getvalue())


def test_elsewhere_than_on_a_terminal_lines_are_plain(monkeypatch):
    text = captured(monkeypatch, terminal=False)
    with progress("training", 4, done=1) as bar:
        for _ in range(3):
            bar.advance("loss 0.5")
    say("[done] in results/demo")
    lines = text.getvalue().splitlines()
    assert len(lines) == 2 and "\x1b" not in text.getvalue()
    assert lines[0].startswith("training: 4/4") and lines[0].endswith("loss 0.5")
    assert lines[1] == "[done] in results/demo"


def test_lines_come_as_time_goes_by(monkeypatch):
    text = captured(monkeypatch, terminal=False)
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with progress("work", 100) as bar:
        for _ in range(99):
            now[0] += 1.0
            bar.advance()
    lines = text.getvalue().splitlines()
    assert lines[0] == "work: 15/100, 1/s, 85 s left" and len(lines) == 6


def test_on_a_terminal_there_is_a_bar_with_count_and_note(monkeypatch):
    text = captured(monkeypatch, terminal=True)
    with progress("training", 4) as bar:
        bar.advance("loss 0.25", steps=4)
    assert "4/4" in text.getvalue() and "loss 0.25" in text.getvalue()


def test_a_note_stands_behind_the_bar_in_80_columns_until_the_next_step(monkeypatch):
    text = captured(monkeypatch, terminal=True)
    with progress("training", 400_000) as bar:
        bar.advance("loss 0.25")
        bar.note("saves and stops")
    assert plain(text).splitlines()[-1].rstrip().endswith("saves and stops")
    text = captured(monkeypatch, terminal=False)
    with progress("training", 4) as bar:
        bar.note("saves and stops")
    assert text.getvalue() == ""


def test_a_line_is_broken_between_words_on_a_terminal_and_left_whole_elsewhere(monkeypatch):
    words = f"{'Kendall tau ' * 6}{'results/' * 12}front.csv is [written] {'and more ' * 6}".strip()
    text = captured(monkeypatch, terminal=True)
    say(words)
    lines = text.getvalue().splitlines()
    assert len(lines) > 2 and " ".join(" ".join(lines).split()) == words
    assert max(len(line.rstrip()) for line in lines if "results" not in line) <= 80
    text = captured(monkeypatch, terminal=False)
    say(words)
    assert text.getvalue() == f"{words}\n"


def test_the_first_step_which_builds_things_is_not_taken_for_the_pace(monkeypatch):
    text = captured(monkeypatch, terminal=False)
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with progress("work", 100) as bar:
        for seconds in (40.0, *[1.0] * 20):
            now[0] += seconds
            bar.advance()
    assert text.getvalue().splitlines() == ["work: 1/100, 0.025/s, 3960 s left", "work: 16/100, 1/s, 84 s left"]


def test_a_bar_knows_the_time_left_of_steps_of_minutes(monkeypatch):
    text = captured(monkeypatch, terminal=True)
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with progress("work", 5) as bar:
        for _ in range(3):
            now[0] += 120.0
            bar.advance()
        module._shown[-1].refresh()
        assert re.search(r"3/5 .*0:04:00", plain(text))
        now[0] += 60.0
        module._shown[-1].refresh()
        assert re.search(r"3/5 .*0:03:00", plain(text))


def test_what_has_no_known_length_moves_and_leaves(monkeypatch):
    text = captured(monkeypatch, terminal=True)
    with phase("building the supernet"):
        first = text.getvalue()
        time.sleep(0.35)
        assert text.getvalue().count("building the supernet") >= first.count("building the supernet") + 2, "it moves"
        with progress("scoring", 4) as bar:
            bar.advance()
            module._shown[-1].refresh()
        assert "1/4" in text.getvalue() and "0/?" not in text.getvalue()
    screen = pyte.Screen(80, 20)
    pyte.Stream(screen).feed(text.getvalue().replace("\n", "\r\n"))
    assert not "".join(screen.display).strip()


def test_what_has_no_known_length_is_a_line_elsewhere(monkeypatch):
    text = captured(monkeypatch, terminal=False)
    with phase("building the supernet"):
        pass
    assert text.getvalue() == "building the supernet\n"


def test_a_bar_within_a_bar_shares_its_display_and_leaves_it(monkeypatch):
    text = captured(monkeypatch, terminal=True)
    with progress("collecting", 2) as outer:
        with progress("scoring", 4) as inner:
            inner.advance("pair 3", steps=3)
            module._shown[-1].refresh()
        before = len(text.getvalue())
        outer.advance("first")
    assert "scoring" in text.getvalue() and "3/4" in text.getvalue()
    assert "scoring" not in text.getvalue()[before:] and "1/2" in text.getvalue()[before:]
    with progress("after", 1) as bar:
        bar.advance()
    assert "1/1" in text.getvalue()


def test_beside_another_live_view_progress_is_plain_lines(monkeypatch):
    text = captured(monkeypatch, terminal=True)
    with Live("a table", console=module.console, auto_refresh=False), progress("work", 3) as bar:
        bar.advance(steps=3)
    assert "work: 3/3" in text.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0:00:00"), (59.6, "0:01:00"), (3723, "1:02:03"), (90_000, "25:00:00")]
)
def test_duration_has_hours_minutes_and_seconds(seconds, text):
    assert format_duration(seconds) == text
