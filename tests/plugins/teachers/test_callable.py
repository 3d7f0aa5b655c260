"""A user's own code by its import path."""

import sys

import pytest
import torch
from kdkit_teachers.callable import FromCallable
from pydantic import ValidationError
from safetensors.torch import save_file

from kdkit import KdkitError, WeightsError

CODE = """
import torch

class Net(torch.nn.Module):
    def __init__(self, width=2):
        super().__init__()
        self.layer = torch.nn.Linear(3, width)

    def forward(self, inputs):
        return self.layer(inputs.float())

class Nested:
    @staticmethod
    def sums(inputs, factor=1):
        return factor * inputs.float().sum(1)

import functools
import os
import os as disguised
from os import system
from subprocess import run as predict

network = torch.nn.Linear(3, 2)
value = 3
part = functools.partial(Nested.sums, factor=2)
hidden = functools.partial(os.system, "touch burst")


class Borrowed:
    system = staticmethod(os.system)
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    path = tmp_path / "own_teachers.py"
    path.write_text(CODE)
    (tmp_path / "failing_teachers.py").write_text("raise RuntimeError('on purpose')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_teachers", raising=False)
    return path


def teacher(path, **options):
    return FromCallable(FromCallable.Options(path=path, **options))


def test_a_function_is_called_with_the_batch_and_the_arguments(code):
    network = teacher("own_teachers:Nested.sums", arguments={"factor": 2}).build()
    assert network(torch.ones(2, 3, dtype=torch.uint8)).tolist() == [6, 6]


def test_a_class_is_made_and_its_weights_are_read(code, tmp_path):
    weights = {"layer.weight": torch.ones(4, 3), "layer.bias": torch.zeros(4)}
    save_file(weights, tmp_path / "w.safetensors")
    options = {"arguments": {"width": 4}, "weights": tmp_path / "w.safetensors"}
    assert teacher("own_teachers:Net", **options).build()(torch.ones(1, 3)).tolist() == [[3, 3, 3, 3]]
    with pytest.raises(WeightsError, match="another architecture"):
        teacher("own_teachers:Net", weights=options["weights"]).build()


def test_changed_code_is_another_teacher(code):
    before = teacher("own_teachers:Net").fingerprint()
    code.write_text(CODE + "\n# changed")
    assert teacher("own_teachers:Net").fingerprint() != before


def test_gradients_are_what_the_user_says():
    assert teacher("own:net").gradients is True
    assert teacher("own:net", gives_gradients=False).gradients is False


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("no_such_teachers:net", "no module named no_such_teachers"),
        ("no_such.teachers:net", "ModuleNotFoundError: No module named 'no_such'"),
        ("own_teachers:Missing", "AttributeError: module 'own_teachers' has no attribute 'Missing'"),
        ("own_teachers:value", "is int, which cannot be called"),
        ("failing_teachers:net", "RuntimeError: on purpose"),
    ],
)
def test_what_cannot_be_imported_is_told(code, path, told):
    with pytest.raises(KdkitError, match=told):
        teacher(path).files()
        teacher(path).build()


def test_arguments_that_do_not_fit_are_told(code):
    with pytest.raises(KdkitError, match=r"cannot be made: .*unexpected keyword argument 'depth'"):
        teacher("own_teachers:Net", arguments={"depth": 4}).build()


@pytest.mark.parametrize(
    "path", ["os:system", "subprocess:run", "builtins:eval", "own", "own:", "own:a b", "1:x", "a-b:c"]
)
def test_what_is_no_import_path_of_own_code_is_refused(path):
    with pytest.raises(ValidationError):
        FromCallable.Options(path=path)


OUTSIDE = ["torch:os.system", "torch.nn:modules.module.torch.os.system", "torch:save", "numpy:save", "torch:hub.load"]
BORROWED = ["disguised.system", "system", "predict", "hidden", "Borrowed.system", "torch.save", "os"]


@pytest.mark.parametrize("path", [*OUTSIDE, *(f"own_teachers:{name}" for name in BORROWED)])
def test_a_path_that_leads_out_of_own_code_is_refused(path, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KdkitError, match=r"leads out of your own code|function of a library|cannot be called"):
        teacher(path).build()
    assert not (tmp_path / "burst").exists()


@pytest.mark.parametrize("path", ["own_teachers:Net.__init__", "own_teachers:Nested.sums.__globals__.get"])
def test_what_is_pythons_own_is_refused(path, code):
    with pytest.raises(ValidationError, match="what begins with __"):
        teacher(path)


def test_what_own_code_builds_of_a_library_is_own(code):
    assert teacher("own_teachers:network").build()(torch.ones(1, 3)).shape == (1, 2)
    assert teacher("own_teachers:part").build()(torch.ones(1, 3)).tolist() == [6]
    assert teacher("torch.nn:Flatten").build()(torch.ones(1, 3, 2)).shape == (1, 6)
