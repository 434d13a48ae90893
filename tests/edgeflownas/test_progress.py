import io
import re
import time

import pyte
import pytest
from rich.live import Live

from edgeflownas import progress as module
from edgeflownas.progress import format_duration, phase, progress, say
from tests.terminal import make_console


def capture(monkeypatch, terminal):
    text = io.StringIO()
    monkeypatch.setattr(module, "console", make_console(text, terminal))
    return text


def strip_codes(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.getvalue())


def test_progress_prints_plain_lines_outside_a_terminal(monkeypatch):
    text = capture(monkeypatch, terminal=False)
    with progress("training", 4, done=1) as bar:
        for _ in range(3):
            bar.advance("loss 0.5")
    say("[done] in results/demo")
    lines = text.getvalue().splitlines()
    assert len(lines) == 2 and "\x1b" not in text.getvalue()
    assert lines[0].startswith("training: 4/4") and lines[0].endswith("loss 0.5")
    assert lines[1] == "[done] in results/demo"


def test_plain_lines_are_printed_every_15_seconds(monkeypatch):
    text = capture(monkeypatch, terminal=False)
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with progress("work", 100) as bar:
        for _ in range(99):
            now[0] += 1.0
            bar.advance()
    lines = text.getvalue().splitlines()
    assert lines[0] == "work: 15/100, 1/s, 0:01:25 left" and len(lines) == 6
    with progress("more work", 2) as bar:
        for _ in range(2):
            now[0] += 5.0
            bar.advance("loss 0.5")
    assert text.getvalue().splitlines()[6:] == ["more work: 2/2 in 0:00:10 loss 0.5"]


def test_terminal_shows_a_bar_with_count_and_note(monkeypatch):
    text = capture(monkeypatch, terminal=True)
    with progress("training", 4) as bar:
        bar.advance("loss 0.25", steps=4)
    assert "4/4" in text.getvalue() and "loss 0.25" in text.getvalue()


def test_note_is_shown_after_the_bar_within_80_columns(monkeypatch):
    text = capture(monkeypatch, terminal=True)
    with progress("training", 400_000) as bar:
        bar.advance("loss 0.25")
        bar.note("saves and stops")
    assert strip_codes(text).splitlines()[-1].rstrip().endswith("saves and stops")
    text = capture(monkeypatch, terminal=False)
    with progress("training", 4) as bar:
        bar.note("saves and stops")
    assert text.getvalue() == ""


def test_say_wraps_lines_between_words_only_on_a_terminal(monkeypatch):
    words = f"{'Kendall tau ' * 6}{'results/' * 12}front.csv is [written] {'and more ' * 6}".strip()
    text = capture(monkeypatch, terminal=True)
    say(words)
    lines = text.getvalue().splitlines()
    assert len(lines) > 2 and " ".join(" ".join(lines).split()) == words
    assert max(len(line.rstrip()) for line in lines if "results" not in line) <= 80
    text = capture(monkeypatch, terminal=False)
    say(words)
    assert text.getvalue() == f"{words}\n"


def test_say_does_not_wrap_commands_so_that_they_can_be_copied(monkeypatch):
    text = capture(monkeypatch, terminal=True)
    command = f"`edgeflownas-search queue retry --config 'my {'configuration ' * 8}.yaml' 3`"
    say(f"the state of the task is damaged and cannot be used; {command} restores the previous file")
    assert any(line.strip() == command for line in text.getvalue().replace("\n\n", "\n").splitlines())


def test_rate_excludes_the_first_step(monkeypatch):
    text = capture(monkeypatch, terminal=False)
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with progress("work", 100) as bar:
        for seconds in (40.0, *[1.0] * 20):
            now[0] += seconds
            bar.advance()
    assert text.getvalue().splitlines() == ["work: 1/100, 0.025/s, 1:06:00 left", "work: 16/100, 1/s, 0:01:24 left"]


def test_bar_shows_the_remaining_time_if_a_step_takes_minutes(monkeypatch):
    text = capture(monkeypatch, terminal=True)
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with progress("work", 5) as bar:
        for _ in range(3):
            now[0] += 120.0
            bar.advance()
        module._shown[-1].refresh()
        assert re.search(r"3/5 .*0:04:00 left", strip_codes(text))
        now[0] += 60.0
        module._shown[-1].refresh()
        assert re.search(r"3/5 .*0:03:00 left", strip_codes(text))
    ended = strip_codes(text).splitlines()[-1]
    assert re.search(r"3/5 after \d:\d\d:\d\d", ended) and "left" not in ended


def test_complete_bar_shows_how_long_it_took_instead_of_the_remaining_time(monkeypatch):
    text = capture(monkeypatch, terminal=True)
    with progress("work", 2) as bar:
        bar.advance()
        bar.advance()
    ended = strip_codes(text).splitlines()[-1]
    assert re.search(r"2/2 in 0:00:00", ended) and "left" not in ended


def test_phase_shows_a_moving_bar_that_disappears(monkeypatch):
    text = capture(monkeypatch, terminal=True)
    with phase("building the supernet"):
        first = text.getvalue()
        time.sleep(0.35)
        assert "0:00:00 elapsed" in strip_codes(text)
        assert text.getvalue().count("building the supernet") >= first.count("building the supernet") + 2, "it moves"
        with progress("scoring", 4) as bar:
            bar.advance()
            module._shown[-1].refresh()
        assert "1/4" in text.getvalue() and "0/?" not in text.getvalue()
    screen = pyte.Screen(80, 20)
    pyte.Stream(screen).feed(text.getvalue().replace("\n", "\r\n"))
    assert not "".join(screen.display).strip()


def test_phase_prints_a_line_outside_a_terminal(monkeypatch):
    text = capture(monkeypatch, terminal=False)
    with phase("building the supernet"):
        pass
    assert text.getvalue() == "building the supernet\n"


def test_nested_bar_joins_the_display_and_is_removed_from_it(monkeypatch):
    text = capture(monkeypatch, terminal=True)
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


def test_progress_prints_plain_lines_beside_another_live_display(monkeypatch):
    text = capture(monkeypatch, terminal=True)
    with Live("a table", console=module.console, auto_refresh=False), progress("work", 3) as bar:
        bar.advance(steps=3)
    assert "3/3" in text.getvalue()  # newer versions of rich show a bar below the other display


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0:00:00"), (59.6, "0:01:00"), (3723, "1:02:03"), (90_000, "25:00:00")]
)
def test_duration_has_hours_minutes_and_seconds(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0s"), (42.4, "42s"), (59.6, "1m00"), (12_000, "3h20"), (187_200, "2d04")]
)
def test_compact_duration_has_two_units(seconds, text):
    assert format_duration(seconds, compact=True) == text
