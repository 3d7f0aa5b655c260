"""Whatever a user's network does wrong is one message: what it was given, what came back, what to do."""

import sys

import numpy as np
import pytest
import torch

from kdkit.engine.guard import describe_value, run_network, summarize
from kdkit.engine.inference import infer_logits
from kdkit.errors import DataError, WeightsError

INPUTS = [np.zeros((4, 4), np.uint8)] * 3
GOOD = torch.zeros(3, 2)


class Answer(torch.nn.Module):
    """Returns what it was made with, or raises it."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, inputs):
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


class Wordless(Exception):  # noqa: N818  # as a user would name it
    pass


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "NoneType"),
        ((GOOD, GOOD), "tuple"),
        ({"out": GOOD}, "a mapping with out"),
        ([{0: 0.5}] * 3, "list"),
        ("text", "str"),
        (np.zeros((3, 2), np.float32), "ndarray"),
        (GOOD.argmax(1), r"int64 \(3,\): class numbers"),
        (GOOD > 0, r"bool \(3, 2\): class numbers or a mask"),
        (GOOD.to(torch.complex64), "complex64"),
        (torch.tensor(1.0), r"float32 \(\) for 3 samples"),
        (torch.zeros(2, 3), r"float32 \(2, 3\) for 3 samples"),
        (torch.zeros(3, 0), "holds nothing"),
        ({"logits": GOOD, "weight": torch.zeros(2, 1)}, r"the weight float32 \(2, 1\)"),
        (
            RuntimeError("size mismatch\nlong story"),
            r"cannot take inputs uint8 \(3, 4, 4\): RuntimeError: size mismatch",
        ),
        (KeyError("layer"), "KeyError: 'layer'"),
        (AssertionError(), "AssertionError"),
        (Wordless(), "Wordless"),
        (SystemExit(3), "SystemExit: 3"),
        (RecursionError("too deep"), "RecursionError"),
        (MemoryError(), "ran out of memory with inputs uint8"),
    ],
)
def test_what_goes_wrong_is_one_message(value, message):
    with pytest.raises(DataError, match=message) as caught:
        infer_logits(Answer(value), INPUTS, torch.device("cpu"))
    assert "\n" not in caught.value.message
    assert caught.value.remedy


def test_what_kdkit_itself_says_passes_through():
    with pytest.raises(WeightsError, match="as it was"):
        run_network(Answer(WeightsError("as it was")), GOOD)


@pytest.mark.parametrize(
    "text",
    [
        "Found no NVIDIA driver on your system.",
        "Torch not compiled with CUDA enabled",
        "Expected all tensors to be on the same device, but found at least two devices, cpu and cuda:0!",
    ],
)
def test_a_model_that_names_a_device_of_its_own_is_told_so(text):
    with pytest.raises(DataError, match="asks for a CUDA device, and its inputs are on cpu") as caught:
        run_network(Answer(RuntimeError(text)), torch.zeros(1, 2))
    assert "Export it on the processor" in caught.value.remedy


def test_an_interruption_is_no_fault_of_the_network():
    with pytest.raises(KeyboardInterrupt):
        run_network(Answer(KeyboardInterrupt()), GOOD)


@pytest.mark.filterwarnings("ignore:.*is deprecated")
def test_of_torchscript_the_reason_is_told_and_not_its_traceback():
    scripted = torch.jit.trace(torch.nn.Linear(5, 2), torch.zeros(1, 5))
    with pytest.raises(DataError, match=r"float32 \(3, 2\): RuntimeError: mat1 and mat2 shapes cannot be multiplied"):
        run_network(scripted, GOOD)


def test_long_reasons_and_large_containers_are_cut():
    assert len(summarize(ValueError("x" * 10_000))) < 300
    assert describe_value([GOOD] * 9).endswith("float32 (3, 2), 5 more)")
    assert sys.getsizeof(describe_value({"a": [[[GOOD]]]})) < 300
