import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from edgeflownas import progress
from edgeflownas.hardware.cache import Cache, CacheEntry, user_cache_folder
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import Figures
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.pool import Pool
from tests.edgeflownas.hardware.tiny import HEIGHT, TINY, VELA, WIDTH, grove

NETWORKS = Networks(TINY, HEIGHT, WIDTH)
ENTRY = CacheEntry(figures=Figures(npu_cycles=1, cycles=2, sram_kib=3.0), layers=[])


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    progress.say_once.cache_clear()


@pytest.fixture()
def impossible(tmp_path: Path) -> Path:
    """Return a folder that nobody can create, not even root: it would be in a file."""
    (tmp_path / "home").touch()
    return tmp_path / "home" / "cache"


def test_entry_is_read_with_its_key_only(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write({"a": 1}, ENTRY)
    assert cache.read({"a": 1}) == ENTRY and cache.read({"a": 2}) is None and cache.problem is None


def test_cache_that_cannot_be_written_is_reported_once(impossible: Path, capsys: Any) -> None:
    cache = Cache(impossible)
    for number in range(3):
        cache.write({"a": number}, ENTRY)
        assert cache.read({"a": number}) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert f"the cache {impossible} cannot be written (" in line and "compile the same networks again" in line


def test_without_a_home_nothing_is_cached_which_is_reported_once(capsys: Any) -> None:
    cache = Cache(None)
    for number in range(3):
        cache.write({"a": number}, ENTRY)
        assert cache.read({"a": number}) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "no home folder" in line


def test_workers_compile_without_a_cache_and_their_parent_reports_it_once(impossible: Path, capsys: Any) -> None:
    compiler = Compiler(grove(), VELA, 120.0, impossible)
    with Pool([compiler], NETWORKS, 1) as pool:
        entries = pool.compile([(1, 0), (2, 1)], lambda architecture: None)
    assert all(entry.figures.cycles > 0 for (entry,) in entries.values())
    (line,) = capsys.readouterr().err.splitlines()
    assert f"the cache {impossible} cannot be written (" in line


def test_failed_compile_is_reported_without_a_place_for_its_log(impossible: Path, tmp_path: Path) -> None:
    vela = tmp_path / "vela"
    vela.write_text("#!/bin/bash\n[ $1 = --version ] && echo 5.2.0 && exit\necho bad network; exit 1\n")
    vela.chmod(0o755)
    for folder, reason in ((impossible, "cannot be written"), (None, "no folder for a cache")):
        with pytest.raises(Exception, match=f"bad network.*its output is not kept.*{reason}") as error:
            Compiler(grove(), str(vela), 60.0, folder).inspect(NETWORKS, (1, 0))
        assert "\n" not in str(error.value)


def test_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/me")
    assert user_cache_folder() == Path("/var/cache/me/edgeflownas/compiled")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # not allowed by the specification, and to be ignored
    monkeypatch.setenv("HOME", "/home/me")
    assert user_cache_folder() == Path("/home/me/.cache/edgeflownas/compiled")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert user_cache_folder() is None
