"""A trained student for the commands that take one."""

import shutil
from pathlib import Path

import pytest

from kdkit.stages.pipeline import run_stages

TOY = Path(__file__).parents[1] / "toy"


@pytest.fixture(scope="session")
def template(tmp_path_factory, toy_run):
    """The folder of a run whose student is trained."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(TOY))
        settings = ("samples.train=6", "samples.validation=2", "samples.evaluation=3", "controls=[]")
        run = toy_run(tmp_path_factory.mktemp("trained"), *settings)
        run_stages(run, last="distill")
        return run.folder.path


@pytest.fixture
def trained(template, toy, tmp_path):
    return shutil.copytree(template, tmp_path / "run")
