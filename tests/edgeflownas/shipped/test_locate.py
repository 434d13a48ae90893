"""Files of the package are found from any folder, unless the working folder has its own."""

from pathlib import Path

import pytest

from edgeflownas.errors import InputError
from edgeflownas.shipped.locate import locate, locate_named, shorten

ROOT = Path(__file__).parents[3]
BOARD = Path("configs/hardware/u65_256.yaml")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")
    return file


def test_file_of_the_package_is_located_and_shortened_again() -> None:
    located = locate(BOARD)
    assert located.is_absolute() and located.samefile(ROOT / BOARD)
    assert shorten(str(located)) == str(BOARD)


def test_file_of_the_working_folder_takes_precedence() -> None:
    write(str(BOARD))
    assert locate(BOARD) == BOARD
    own = write("configs/demo.yaml")
    assert locate_named(Path("demo"), "configs", "config") == own


@pytest.mark.parametrize("path", ["configs", "configs/no.yaml", "../configs/demo.yaml", "/no/configs/demo.yaml"])
def test_other_paths_are_kept(path: str) -> None:
    assert locate(Path(path)) == Path(path) and shorten(path) == path


def test_name_is_that_of_a_file_even_beside_a_folder_of_the_same_name() -> None:
    Path("demo").mkdir()
    assert locate_named(Path("demo"), "configs", "config").samefile(ROOT / "configs/demo.yaml")
    assert locate_named(Path("configs/demo.yaml"), "configs", "config").samefile(ROOT / "configs/demo.yaml")
    assert locate_named(Path("sintel_final"), "configs/data", "data").name == "sintel_final.yaml"
    plain = write("mine")
    assert locate_named(Path("mine"), "configs", "config") == plain


def test_unknown_name_is_refused_with_the_known_ones() -> None:
    write("configs/mine.yaml")
    with pytest.raises(InputError, match="^config dmeo: .*; did you mean demo\\?$"):
        locate_named(Path("dmeo"), "configs", "config")
    with pytest.raises(InputError, match="name a file, or one of demo, .*, mine, "):
        locate_named(Path("xyz"), "configs", "config")
