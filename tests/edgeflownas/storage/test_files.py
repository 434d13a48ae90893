import errno
import json
import os
import stat
import tempfile

import pytest

from edgeflownas.errors import InputError
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.files import (
    draft_folder,
    duplicate,
    keep,
    read_json,
    replacing,
    sha256,
    temporary_folder,
    write_csv,
    write_json,
    write_text,
)
from edgeflownas.storage.lock import locked


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


@pytest.fixture(params=[0o002, 0o022, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_and_folders_get_the_permissions_of_the_umask(tmp_path, umask, monkeypatch):
    root = tmp_path / "new"
    write_text(root / "deep" / "text", "first")
    keep(root / "deep" / "text")
    record.write(root / "record.json", {})
    record.write(root / "record.json", {"a": 1})
    checkpoint.save(root / "weights.h5", {}, {})
    (draft_folder(root / "queue") / "task").mkdir()
    monkeypatch.setattr(os, "link", unsupported)
    duplicate(root / "deep" / "text", root / "copy")
    with locked(root / "lock", "it"):
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")]}
    assert len(modes) > 9
    assert modes == {path: (0o777 if path.is_dir() else 0o666) & ~umask for path in modes}


def unsupported(*_, **__):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.ENOTSUP])
def test_file_systems_without_optional_calls_can_be_written(tmp_path, monkeypatch, code):
    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    for name in ("fsync", "chmod", "link", "utime"):
        monkeypatch.setattr(os, name, fail)
    write_text(tmp_path / "a.txt", "old")
    keep(tmp_path / "a.txt")
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new" and (tmp_path / "a.txt.previous").read_text() == "old"
    assert list_names(tmp_path) == ["a.txt", "a.txt.previous"]


def test_message_says_that_the_file_has_its_new_content_if_only_its_folder_is_not_synced(tmp_path, monkeypatch):
    write_text(tmp_path / "a.txt", "old")
    fsync = os.fsync

    def fail_for_folders(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    with pytest.raises(OSError, match="a.txt: has its new content, but may lose it .*: Input/output error") as error:
        write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new" and "old content" not in str(error.value)


@pytest.mark.parametrize(
    "place, remedy", [("file/a.txt", "a part of the path|a file has the name"), ("folder", "a folder has")]
)
def test_message_about_an_impossible_place_names_it_and_the_remedy(tmp_path, place, remedy):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=f"{place}: cannot be written: .*({remedy})"):
        write_text(tmp_path / place, "text")


def test_full_temporary_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    message = f"temporary folder {tmp_path}: No space left on device: free some space there, or set TMPDIR"
    with pytest.raises(OSError, match=message), temporary_folder("edgeflownas-test"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list_names(tmp_path) == []
    monkeypatch.setattr(tempfile, "mkdtemp", lambda *_: (_ for _ in ()).throw(OSError(28, os.strerror(28))))
    with pytest.raises(OSError, match=message), temporary_folder("edgeflownas-test"):
        pytest.fail("opened")
