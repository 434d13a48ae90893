import io

from rich.console import Console
from rich.live import Live

from edgeflownas import progress as module
from edgeflownas.progress import progress, say


def captured(monkeypatch, terminal):
    text = io.StringIO()
    monkeypatch.setattr(module, "console", Console(file=text, force_terminal=terminal, width=80, highlight=False))
    return text


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
