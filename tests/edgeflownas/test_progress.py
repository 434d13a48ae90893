import io

from rich.console import Console

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
