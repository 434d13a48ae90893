"""The notebook in examples/, run as it is."""

import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "tour.ipynb"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="there is no Jupyter for Python 3.7 in the requirements")
@pytest.mark.timeout(900)
def test_every_cell_of_the_tour_runs() -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, 4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(str(output.get("text", "")) for output in outputs)
    pictures = sum("image/png" in output.get("data", {}) for output in outputs)
    assert pictures == 3 and "architectures of the exact front were found" in text
    assert not any(output.output_type == "error" for output in outputs)
