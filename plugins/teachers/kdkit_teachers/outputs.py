"""From what a model gives to the tensor of logits that is meant; imported only when a teacher is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from kdkit import DataError, check_logits, describe_value

# Probabilities are clipped to this distance from 0 and 1: logits stay within ±16.
EDGE = 1e-7
# How far rounding, in half precision for example, may take probabilities out of 0..1, or their sum away from 1.
ROUNDING = 5e-3
USUAL = ("out", "logits")


def choose_output(outputs: Any, wanted: str | int | None, samples: int) -> torch.Tensor:
    """The floating tensor (samples, ...) among a model's outputs.

    ``wanted``: its name, or its number from 0; None takes "out", "logits", or the first. Raises
    :class:`kdkit.DataError` when there is none by that name, or it holds something else than logits.
    """
    if isinstance(outputs, torch.Tensor):
        check_logits(outputs, samples, "the model", _remedy(outputs))
        return outputs
    if not isinstance(outputs, Mapping | list | tuple) or not outputs:
        raise DataError(f"the model gives {describe_value(outputs)}, not a tensor of logits", _remedy(outputs))
    key = _key(outputs, wanted)
    chosen = outputs[key]
    check_logits(chosen, samples, f"the model's output {key!r}", f"{_list(outputs)} {_remedy(chosen)}")
    return chosen


def _key(outputs: Any, wanted: str | int | None) -> Any:
    keys = list(outputs) if isinstance(outputs, Mapping) else list(range(len(outputs)))
    if wanted is None:
        return next((key for key in USUAL if key in keys), keys[0])
    if wanted in keys:
        return wanted
    if isinstance(wanted, int) and 0 <= wanted < len(keys):
        return keys[wanted]
    raise DataError(
        f"the model has no output {wanted!r}; it has {', '.join(map(str, keys))}",
        f"{_list(outputs)} Set teacher.output to one of them.",
    )


def _list(outputs: Any) -> str:
    items = outputs.items() if isinstance(outputs, Mapping) else enumerate(outputs)
    return f"Its outputs: {'; '.join(f'{key}: {describe_value(value)}' for key, value in items)}."


def _remedy(value: Any) -> str:
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        return "Export it so that probabilities are a tensor (skl2onnx: options={'zipmap': False})."
    return (
        "Set teacher.output to the one with the logits, or export the model without argmax or threshold at its end."
    )


def to_logits(outputs: torch.Tensor, activation: str, axis: int) -> torch.Tensor:
    """Logits of outputs to which the model has already applied ``activation``, clipped; "none" are logits already.

    "softmax": classes on ``axis``; logits are the logarithms. "sigmoid": the log-odds of each value. Raises
    :class:`kdkit.DataError` when the outputs are not what the activation gives.
    """
    if activation == "none":
        return outputs
    values = outputs.float()
    low, high = float(values.min()), float(values.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise DataError(
            f"the model gives values from {low:.4g} to {high:.4g}, which are no probabilities, but "
            f"teacher.activation is {activation}",
            "Set teacher.activation=none where they are logits.",
        )
    if activation == "sigmoid":
        return values.clamp(EDGE, 1 - EDGE).logit()
    sums = values.sum(axis)
    if values.shape[axis] < 2 or float((sums - 1).abs().max()) > values.shape[axis] * ROUNDING:
        raise DataError(
            f"the model gives values that add up to {float(sums.min()):.4g} .. {float(sums.max()):.4g} over "
            f"{values.shape[axis]} classes, but teacher.activation is softmax",
            "Set teacher.activation=sigmoid where each value is a probability of its own.",
        )
    return values.clamp_min(EDGE).log()
