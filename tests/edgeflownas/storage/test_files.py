import json
import os

import pytest

from edgeflownas.errors import InputError
from edgeflownas.storage.files import read_json, replacing, sha256, write_csv, write_json, write_text


def list_names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_write_replaces_a_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_text(path, "first")
    write_text(path, "second")
    assert path.read_text() == "second" and list_names(path.parent) == ["a.txt"]


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_failed_write_keeps_the_old_content(tmp_path, monkeypatch, moment):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    if moment != "write":
        monkeypatch.setattr(os, moment, fail)
    with pytest.raises(OSError, match="No space left"), replacing(path) as temporary:
        temporary.write_text("half of the n")
        if moment == "write":
            fail()
    assert path.read_text() == "old" and list_names(tmp_path) == ["a.txt"]


def test_content_is_synced_before_the_rename(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("replace"), replace(*names)))
    write_text(tmp_path / "a.txt", "text")
    assert order == ["fsync", "replace", "fsync"]


def test_write_csv_has_the_columns_of_all_rows(tmp_path):
    write_csv(tmp_path / "a.csv", [{"a": 1, "b": 0.1}, {"a": "x,y", "c": None}])
    assert (tmp_path / "a.csv").read_bytes() == b'a,b,c\n1,0.1,\n"x,y",,\n'


def test_write_json_refuses_nan(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"a": [1, 2.5, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [1, 2.5, None]}


def test_read_json_names_missing_and_damaged_files(tmp_path):
    with pytest.raises(InputError, match="a.json: cannot be read: No such file"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"a": 1')
    with pytest.raises(InputError, match="a.json: is damaged"):
        read_json(tmp_path / "a.json")


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
