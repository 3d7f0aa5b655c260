"""The script that trains the embedded teacher: which frames it sees how often, and where its weights come from."""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from kdkit_echocardio.teacher import EMBEDDED
from safetensors.torch import load_file

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "plugins" / "echocardio" / "scripts" / "train_teacher.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("train_teacher", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def discs(areas):
    """Cavities of about those areas, packed as the script keeps them: uint8 (N, 112, 14)."""
    row, column = np.mgrid[:112, :112] - 56
    return np.packbits([row**2 + column**2 < area / np.pi for area in areas], axis=-1)


def test_systolic_frames_of_each_clip_are_seen_twice(script):
    options = script.parse(["--frames-per-clip", "4"])
    # What is systole in a large heart is larger than diastole in a small one.
    cavities = discs([3000, 2900, 1500, 1600, 1000, 500, 990, 450])
    assert sorted(script.with_systole_twice(options, cavities)) == [0, 1, 2, 2, 3, 3, 4, 5, 5, 6, 7, 7]


def test_a_heart_that_stands_still_is_seen_once(script):
    options = script.parse(["--frames-per-clip", "2"])
    assert list(script.with_systole_twice(options, discs([800, 800]))) == [0, 1]


@pytest.mark.parametrize("blend", [0.0, 0.25, 1.0])
def test_weights_end_between_the_start_and_the_trained_ones(script, blend):
    options = script.parse(["--start", str(EMBEDDED), "--blend", str(blend)])
    start = load_file(EMBEDDED)
    trained = {name: 1 + (weight.float() if weight.is_floating_point() else weight) for name, weight in start.items()}
    mixed = script.blended(options, trained)
    assert mixed.keys() == start.keys()
    for name, weight in start.items():
        moved = blend if weight.is_floating_point() else 1.0
        assert torch.allclose(mixed[name].float(), weight.float() + moved, rtol=1e-5), name


@pytest.mark.slow
def test_weights_go_on_from_others_and_say_so(tmp_path):
    arguments = ["--clips", "4", "--frames-per-clip", "2", "--batch", "2", "--held-out", "2", "--average", "0.5"]
    options = [*arguments, "--start", str(EMBEDDED), "--learning-rate", "1e-6"]
    folders = ["--work", str(tmp_path / "work"), "--out", str(tmp_path)]
    subprocess.run([sys.executable, SCRIPT, *options, *folders], check=True)
    card = json.loads((tmp_path / "deeplabv3_compact.json").read_text())
    assert card["begun_with"]["card"] == json.loads(EMBEDDED.with_suffix(".json").read_text())
    begun, ended = load_file(EMBEDDED), load_file(tmp_path / "deeplabv3_compact.safetensors")
    weight = "classifier.0.convs.0.0.weight"
    assert torch.allclose(begun[weight].float(), ended[weight].float(), atol=1e-3)


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_weights_gives_the_command_of_the_shipped_card(script):
    card = json.loads(EMBEDDED.with_suffix(".json").read_text())
    asked = ["make", "--dry-run", "--no-print-directory", "--assume-old=.venv/.installed", "weights"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of make test
    recipe = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    _, _, arguments = recipe.replace("\\\n", " ").rpartition(SCRIPT.name)
    _, _, shipped = card["command"].rpartition(SCRIPT.name)
    assert script.parse(arguments.split()) == script.parse(shipped.split())


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_the_weights_that_training_began_with_lie_where_make_takes_them_from(script):
    card = json.loads(EMBEDDED.with_suffix(".json").read_text())
    (commit,) = re.findall(r"^BEFORE := (\w+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    place = f"{commit}:{EMBEDDED.relative_to(ROOT)}"
    found = subprocess.run(["git", "show", place], cwd=ROOT, capture_output=True, check=False)
    if found.returncode:
        pytest.skip("not a clone with its history")
    assert hashlib.sha256(found.stdout).hexdigest() == card["begun_with"]["sha256"]
