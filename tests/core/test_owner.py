"""Files of processes that have ended are known by their names, whatever else the names say."""

import subprocess
import sys

import pytest

from kdkit.owner import is_abandoned, tag

NAMES = [
    ".scores.json.{}.partial",
    ".00000068-00000122-39eb4a11.safetensors.{}.partial",
    ".00000068-00000122-39414141.safetensors.{}.partial",
    "kdkit-evaluate-{}-a1b2_c3d",
]


@pytest.fixture(scope="module")
def tag_of_the_dead():
    command = [sys.executable, "-c", "from kdkit.owner import tag; print(tag())"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("name", NAMES)
def test_what_a_dead_process_owned_is_abandoned(tmp_path, tag_of_the_dead, name):
    path = tmp_path / name.format(tag_of_the_dead)
    path.touch()
    assert is_abandoned(path)


# Tags are put in by the test: what a test is called is the same in every process.
@pytest.mark.parametrize("name", [*NAMES, "00000068-00000122-39eb4a11.safetensors"])
def test_what_a_living_one_owns_or_nobody_is_not(tmp_path, name):
    name = name.format(tag())
    (tmp_path / name).touch()
    assert not is_abandoned(tmp_path / name)
