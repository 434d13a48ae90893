import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from edgeflownas.errors import InputError
from search import api
from search.nsga2.objectives import find_nondominated

ROOT = Path(__file__).parents[3]
SPACE = ROOT / "results/reference/demo/space.h5"


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_table_has_the_columns_of_the_file() -> None:
    scores = api.read_scores(SPACE)
    table = scores.table()
    with h5py.File(SPACE, "r") as file:
        for name in ("epe", "fps", "latency_ms", "sram_kib", "npu_cycles", "generation", "requested"):
            np.testing.assert_array_equal(table[name], file["archive"][name][()])
        digits = ["".join(map(str, genes)) for genes in file["archive/genes"][()]]
        assert scores.zero_flow_epe == file.attrs["zero_flow_epe"]
    assert table["architecture"].tolist() == digits and len(scores) == len(digits) == 19683
    row = digits.index("210012001")
    assert (table["EB0"][row], table["DB0"][row], table["H2Out"][row]) == ("3 blocks", "1 block", "5x5")
    assert set(table["cost_source"]) == {"predicted", "compiled"}


def test_front_and_hypervolume_are_those_of_the_file() -> None:
    scores = api.read_scores(SPACE)
    front, table = scores.front(), scores.table()
    points = np.stack([table["epe"], -table["fps"]], axis=1)
    expected = set(table["architecture"][find_nondominated(points)])
    assert set(front["architecture"]) == expected and (np.diff(front["epe"]) > 0).all()
    with h5py.File(SPACE, "r") as file:
        assert scores.hypervolume() == file.attrs["hypervolume"]


def test_scores_of_a_run_folder_are_those_of_its_search_or_space(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no scores; `evolve` or `enumerate` computes them"):
        api.read_scores(tmp_path)
    shutil.copy(SPACE, tmp_path / "space.h5")
    assert api.read_scores(str(tmp_path)).path == tmp_path / "space.h5"


def test_unusable_files_are_refused(tmp_path: Path) -> None:
    content = bytearray(SPACE.read_bytes())
    content[5000] ^= 1
    (tmp_path / "space.h5").write_bytes(content)
    with pytest.raises(InputError, match=r"space.h5: is truncated or damaged"):
        api.read_scores(tmp_path)
    with pytest.raises(InputError, match=r"other.h5: does not exist"):
        api.read_scores(tmp_path / "other.h5")


def test_reading_results_needs_no_tensorflow() -> None:
    program = (
        "import sys\nfrom search import api\n"
        "run = api.open_run('demo')\nscores = api.read_scores('results/reference/demo/space.h5')\n"
        "scores.table(), scores.front(), scores.hypervolume()\n"
        "print([name for name in ('tensorflow', 'keras', 'matplotlib', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_name_of_the_api_exists() -> None:
    assert all(callable(getattr(api, name)) for name in api.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'evolv'"):
        api.evolv  # noqa: B018
