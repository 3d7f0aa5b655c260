"""The notebooks run from nothing to their last cell, show what they promise, and are kept without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "examples" / "notebooks"
# Kind of picture, how many at least, and words of the text below them.
SHOWN = {
    "labels_study": ("image/png", 4, "6 frames were outlined by several annotators", "3 people outlined this frame"),
    "phase_study": ("image/svg+xml", 3, "phantom-00002. ED and ES as they are found", "noise: 0 of "),
}


def test_every_notebook_is_tried():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(SHOWN)


@pytest.mark.parametrize("name", ["labels_study", pytest.param("phase_study", marks=pytest.mark.slow)])
def test_a_notebook_runs_from_nothing(name, tmp_path):
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells), "strip its outputs"
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in cells for output in cell.outputs]
    kind, count, *words = SHOWN[name]
    assert sum(kind in output.get("data", {}) for output in outputs) >= count
    text = " ".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    for word in words:
        assert word in text, text
    assert any("text/html" in output.get("data", {}) for output in outputs), "a table"
    assert list(tmp_path.iterdir()) == []
