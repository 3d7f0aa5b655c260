"""What is suspicious about a teacher's outputs by themselves, without any truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kdkit.contracts.vocabulary import Activation

if TYPE_CHECKING:
    import torch

# How far rounding, in half precision for example, may take probabilities out of 0..1, or their sum away from 1.
ROUNDING = 5e-3
# Independent probabilities of classes come near both ends; cosines and other scores within 0..1 rarely do.
NEAR_END = 0.05
# The spread between samples as a share of the whole spread, under which outputs hardly depend on the input.
LEAST_SPREAD = 0.02
# Nearly all logits of a saturated teacher are beyond these. Masks are kept as probabilities in 8 bits; classes as
# logits, of which a temperature still makes use, and good classifiers on easy samples are 20 apart.
CERTAIN_LOGIT = 20.0
CERTAIN_GAP = 100.0
NEARLY_ALL = 0.999
FEWEST_ALIKE = 4


def find_activation(values: torch.Tensor, axis: int, activation: Activation) -> str:
    """The activation that a model has already applied to its outputs: "softmax", "sigmoid", or "" for logits.

    Logits of a good teacher, saturated ones too, reach below 0 and add up to anything; probabilities lie in 0..1,
    and over classes that exclude each other they add up to 1. ``activation``: the domain's; values of "identity" may
    lie anywhere.
    """
    if activation == "identity" or float(values.min()) < -ROUNDING or float(values.max()) > 1 + ROUNDING:
        return ""
    classes = values.shape[axis] if values.ndim > 1 else 1
    if classes > 1 and float((values.sum(axis) - 1).abs().max()) <= classes * ROUNDING:
        return "softmax"
    # Logits of a mask that are all above 0 would call everything foreground.
    alone = activation == "sigmoid" and classes == 1
    ends = float(values.min()) < NEAR_END and float(values.max()) > 1 - NEAR_END
    return "sigmoid" if alone or ends else ""


def doubts_about(
    inputs: Sequence[np.ndarray], logits: Sequence[torch.Tensor], activation: Activation
) -> Iterator[str]:
    """Each doubt as a sentence; ``logits``: those to each of the raw inputs, finite."""
    import torch

    values = torch.cat([answer.flatten() for answer in logits])
    yield from _unfitting(logits, activation)
    yield from _one_sided(logits, values, activation)
    if _share_of_certain(logits, values, activation) >= NEARLY_ALL:
        largest = float(values.abs().max())
        yield (
            f"it is saturated: nearly every probability is 0 or 1 (logits up to {largest:.3g}), so that its targets "
            "say no more than labels would; check how its inputs are scaled"
        )
    spread = measure_spread([answer.double().cpu().numpy() for answer in logits])
    if spread < LEAST_SPREAD < measure_spread([array.astype(np.float64) for array in inputs]):
        yield (
            f"its logits hardly depend on the input: only {spread:.2%} of their spread lies between samples; "
            "check how its inputs are scaled and that the weights are those of the training's end"
        )


def _unfitting(logits: Sequence[torch.Tensor], activation: Activation) -> Iterator[str]:
    """Outputs for which the domain's activation is hardly meant."""
    classes = logits[0].shape[-1] if logits[0].ndim else 1
    if activation == "softmax" and classes < 2:
        yield "its last axis, that of the classes, has the length 1: every probability is 1, whatever it says"
    elif activation == "identity" and classes > 1:
        import torch

        values = torch.cat([answer.reshape(-1, classes) for answer in logits])
        if find_activation(values, -1, "softmax") == "softmax":
            yield "its values add up to 1 as probabilities do, and the domain's activation is identity"


def _one_sided(logits: Sequence[torch.Tensor], values: torch.Tensor, activation: Activation) -> Iterator[str]:
    if activation == "sigmoid":
        sides = {"background": float(values.max()) < 0, "foreground": float(values.min()) > 0}
        for side, only in sides.items():
            if only:
                low, high = (float(v) for v in (values.min().sigmoid(), values.max().sigmoid()))
                yield f"it calls everything {side}: its probabilities are {low:.2g} to {high:.2g}"
    elif activation == "softmax" and len(logits) >= FEWEST_ALIKE:
        classes = {int(c) for answer in logits for c in answer.argmax(-1).flatten().unique()}
        if len(classes) == 1:
            yield f"it predicts class {classes.pop()} for each of {len(logits)} samples"


def _share_of_certain(logits: Sequence[torch.Tensor], values: torch.Tensor, activation: Activation) -> float:
    if activation == "identity":
        return 0.0
    if activation == "sigmoid":
        return float((values.abs() > CERTAIN_LOGIT).float().mean())
    if logits[0].shape[-1] < 2:
        return 0.0
    gaps = [float((-answer.topk(2, -1).values.diff(dim=-1) > CERTAIN_GAP).float().mean()) for answer in logits]
    return float(np.mean(gaps))


def measure_spread(arrays: Sequence[np.ndarray]) -> float:
    """The deviation between samples at each place, over that of all values; 1 where it cannot be said."""
    if len(arrays) < FEWEST_ALIKE or len({array.shape for array in arrays}) > 1:
        return 1.0
    stacked = np.stack(arrays)
    whole = float(stacked.std())
    return float(np.sqrt(stacked.var(0).mean())) / whole if whole > 0 else 1.0
