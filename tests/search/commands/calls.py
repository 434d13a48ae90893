"""A small run whose commands tests call in their own process, and data sets for it."""

import json
import sys

import pytest
import yaml

from edgeflownas.config import dump
from search.cli import cli, main
from tests.edgeflownas.data.written import WRITERS, flow, image, put_flo, put_image
from tests.search.queue.small import small_queue, small_run
from tests.terminal import make_runner

LIGHT = "000000000"
# Names of files that a list can contain, some of them not UTF-8 or with characters of shells, CSV and markup.
NAMES = ["caf\udce9.png", "a b, 'c'.png", 'x"y.png', "[red]t.png", "\u65e5\u672c.png"]


def make_run(folder):
    """Make a run with a supernet and a queue."""
    small_queue(folder)
    run = small_run(folder)
    (folder / "config.yaml").write_text(dump(run.config))
    return run


def call(run, *words):
    config = run.folder.parent / "config.yaml"
    arguments = [*words, "--config", str(config), "--run", str(run.folder)]
    runner = make_runner()
    return runner.invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)


def data_file(folder, kind, **changes):
    content = {**WRITERS[kind](folder / kind), **changes}
    path = folder / f"{kind}.yaml"
    path.write_text(yaml.safe_dump({"data": content}))
    return str(path)


def error(run, *words):
    with pytest.raises(Exception) as raised:
        call(run, *words)
    return str(getattr(raised.value, "message", raised.value))


def write_list_of(folder, names):
    """Write a list of pairs whose first images have these names."""
    lines = []
    for number, name in enumerate(names):
        put_image(folder / "scene" / "b.png", image(number))
        (folder / "scene" / "b.png").rename(folder / "scene" / name)
        quoted = f'"{name}"' if "'" in name else f"'{name}'"
        lines.append(f"scene/{quoted} scene/second.png scene/f.flo")
    put_image(folder / "scene" / "second.png", image(99))
    put_flo(folder / "scene" / "f.flo", flow(1))
    (folder / "val.txt").write_text("\n".join(lines), encoding="utf-8", errors="surrogateescape")
    path = folder / "data.yaml"
    path.write_text(yaml.safe_dump({"data": {"kind": "list", "val_list": str(folder / "val.txt")}}))
    return str(path)


def invoked(*words):
    return make_runner().invoke(cli, list(words), catch_exceptions=False, standalone_mode=False)


def run_program(monkeypatch, capsys, *words):
    """Run the program in this process; return its exit code, output and messages."""
    monkeypatch.setattr(sys, "argv", ["edgeflownas-search", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def parse_record(outcome):
    """Return the JSON that the program has printed."""
    code, out, error = outcome
    assert code == 0, error
    return json.loads(out)
