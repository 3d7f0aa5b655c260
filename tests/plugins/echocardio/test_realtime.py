"""The example of a live picture runs where neither torch nor kdkit is."""

import subprocess
import sys
from pathlib import Path

import pytest

import kdkit
from kdkit.api import export_student
from kdkit.plugins.registry import discover
from kdkit.recipe.load import load_experiment
from kdkit.runs.student import write_student

EXAMPLE = Path(__file__).parents[3] / "examples" / "realtime" / "realtime.py"

# An import of a module that is None fails.
WITHOUT = """
import runpy, sys
sys.modules["torch"] = sys.modules["kdkit"] = sys.modules["lightning"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
def test_it_segments_a_clip_without_torch(home, tmp_path):
    experiment = load_experiment(discover(), "echocardio", None, ["student.blocks=2", "student.width=3"])
    write_student(tmp_path / "student", experiment.student.build(), experiment, {})
    export_student(tmp_path / "student", "onnx", tmp_path / "onnx")
    clip = kdkit.load_student(tmp_path / "student").domain.example_file(tmp_path)
    command = [sys.executable, "-c", WITHOUT, str(EXAMPLE), str(tmp_path / "onnx" / "step.onnx"), str(clip)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("ejection fraction") > 20


def test_it_is_fifty_lines():
    assert len(EXAMPLE.read_text().splitlines()) <= 50
