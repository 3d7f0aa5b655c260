"""What the methods of components are to give, and in which words to say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from kdkit.contracts.adversary import Adversary
from kdkit.contracts.component import Component
from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.metric import Metric
from kdkit.contracts.objective import FeatureObjective, Objective
from kdkit.contracts.student import Student
from kdkit.contracts.teacher import Teacher
from kdkit.contracts.vocabulary import Figure, Inspection, Preview
from kdkit.sample import Sample

LONGEST_VALUE, LONGEST_FINGERPRINT = 60, 100


@dataclass(frozen=True)
class Answer:
    """What a method gives: a test, and the words for what passes it."""

    is_right: Callable[[Any], bool]
    expected: str


def expected_answer(component: Component, method: str, answer: Any) -> str:
    """What the method is to give, in words; "" where the answer is that, or any is."""
    for contract, answers in ANSWERS.items():
        if isinstance(component, contract) and method in answers:
            return "" if answers[method].is_right(answer) else answers[method].expected
    return ""


def show_value(value: Any) -> str:
    """What a value is, in a few words: a short one itself, else its type, and dtype and shape where it has them."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"a {type(value).__name__} {value.dtype} {tuple(value.shape)}".replace("torch.", "")
    if value is None or isinstance(value, str | int | float | bool | np.generic):
        text = "None" if value is None else repr(value)
        return text if len(text) <= LONGEST_VALUE else f"a {type(value).__name__}"
    if isinstance(value, list | tuple) and value:
        kinds = " and ".join(sorted({type(part).__name__ for part in value}))
        return f"a {type(value).__name__} of {len(value)} {kinds}"
    return f"a {type(value).__name__}"


def _is_one(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


def _are_all(*types: type) -> Callable[[Any], bool]:
    return lambda values: isinstance(values, list | tuple) and all(isinstance(value, types) for value in values)


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


def _is_fingerprint(value: Any) -> bool:
    """It names folders, and goes into the headers of HTTP."""
    is_word = isinstance(value, str) and 0 < len(value) <= LONGEST_FINGERPRINT and value.isascii()
    return is_word and value.isprintable() and not set(value) & set(" /\\:")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0)


def _are_cases(values: Any) -> bool:
    try:
        cases = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        return False
    return cases.ndim == 2 or (isinstance(values, list | tuple) and not values)


def _is_picture(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] == 3


def _is_network(value: Any) -> bool:
    import torch

    return isinstance(value, torch.nn.Module)


def _is_optimizer(value: Any) -> bool:
    import torch

    return isinstance(value, torch.optim.Optimizer)


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _is_loss(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor) and value.numel() == 1 and value.is_floating_point()


def _are_pairs(values: Any) -> bool:
    return isinstance(values, Sequence) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(path, str) for path in pair)
        for pair in values
    )


def _is_mapping_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Mapping) and all(isinstance(part, kind) for part in value.values())


def _or_none(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_right(value)


_NETWORK = Answer(_is_network, "a torch.nn.Module")
_LOSS = Answer(_is_loss, "a floating tensor with one value")
_CASES = Answer(_are_cases, "a list of tuples of numbers, all of one length, one for each case; [] for none")
_FIGURES = Answer(_are_all(Figure), "kdkit.Figure objects")

ANSWERS: Mapping[type[Component], Mapping[str, Answer]] = {
    Component: {
        "fingerprint": Answer(_is_fingerprint, f"one word of {LONGEST_FINGERPRINT} plain characters at most"),
    },
    Domain: {
        "items": Answer(_is_count, "a whole number of at least 1"),
        "read": Answer(_is_one(Sample), "a kdkit.Sample"),
        "write": Answer(_is_one(Mapping), "a mapping of a row's columns to plain values, {} for none"),
        "preview": Answer(_or_none(_is_one(Preview)), "a kdkit.Preview, or None"),
        "check_teacher": Answer(_is_one(str), "one line of text"),
        "check_data": Answer(_is_one(Inspection), "a kdkit.Inspection"),
        "source": Answer(_is_one(Generator), "a kdkit.Generator"),
        "predict": Answer(_is_one(np.ndarray), "a numpy array"),
        "target_from_truth": Answer(_or_none(_is_one(np.ndarray)), "a numpy array, or None"),
        "strata": Answer(_is_mapping_of(Sample), "a mapping of names to kdkit.Sample"),
        "sheet": Answer(_is_picture, "a picture, uint8 RGB (height, width, 3)"),
        "figures": _FIGURES,
        "overview": _FIGURES,
    },
    Metric: {
        "measure": _CASES,
        "humans": _CASES,
        "probes": Answer(_are_all(np.ndarray), "a list of arrays"),
        "summarize": Answer(_is_number, "one number"),
    },
    FeatureObjective: {
        "loss": _LOSS,
        "pairs": Answer(_are_pairs, "pairs of paths of modules"),
        "adapter": Answer(_or_none(_is_network), "a torch.nn.Module, or None"),
    },
    Objective: {"loss": _LOSS},
    Adversary: {
        "build": _NETWORK,
        "loss": _LOSS,
        "training_batch": Answer(_is_tensor, "a tensor of raw inputs"),
        "optimizer": Answer(_is_optimizer, "a torch.optim.Optimizer"),
    },
    Generator: {
        "generate": Answer(_are_all(Sample), "one kdkit.Sample for each index"),
        "count": Answer(
            _or_none(lambda value: isinstance(value, int | np.integer) and bool(value >= 0)),
            "a whole number, or None",
        ),
    },
    Student: {"build": _NETWORK, "export_obstacle": Answer(_is_one(str), 'a sentence, or ""')},
    Teacher: {
        "build": _NETWORK,
        "model_outputs": Answer(_is_one(Mapping), "a mapping of paths to (outputs, axis of the classes)"),
        "alternatives": Answer(_is_mapping_of(Teacher), "a mapping of settings to kdkit.Teacher"),
        "promise": Answer(_or_none(_is_number), "a number, or None"),
    },
}
