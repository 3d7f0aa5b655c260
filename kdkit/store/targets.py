"""A model's targets or predictions in a store, and how they are encoded.

"sigmoid": probabilities rounded to 8 bits, at most 1/510 from the model's own. "softmax": logits in half precision,
so that any temperature can be applied later; in single precision where one is too large for half. "identity": values
in single precision. Beside a target may lie its
weight, 0..1 in 8 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kdkit.contracts.vocabulary import Activation
from kdkit.errors import DataError
from kdkit.store.shards import Record, ShardStore

if TYPE_CHECKING:
    import torch

NAME = "target"
WEIGHT = "weight"
_LARGEST_HALF = float(np.finfo(np.float16).max)


def encode_logits(logits: torch.Tensor, activation: Activation) -> np.ndarray:
    """Logits as they are kept: uint8, float16 or float32 of the same shape.

    Raises :class:`DataError` when they are not finite in single precision.
    """
    values = logits.detach().float()
    # Of the two extremes, which are not numbers where any value is none.
    if values.numel() and not all(bool(extreme.isfinite()) for extreme in values.aminmax()):
        raise DataError("a model's logits are not finite in single precision")
    if activation == "sigmoid":
        return np.asarray(values.sigmoid().mul_(255).round_().byte().cpu())
    array = values.cpu().numpy()
    fits_half = activation == "softmax" and np.abs(array).max(initial=0) <= _LARGEST_HALF
    return array.astype(np.float16) if fits_half else array


def encode_prediction(prediction: np.ndarray, activation: Activation) -> np.ndarray:
    """An activated prediction as the logits behind it are kept; "softmax": probabilities of 1e-4 at least.

    Raises :class:`DataError` when it is not finite, or holds no probabilities where the activation gives such.
    """
    values = np.asarray(prediction, np.float32)
    if not np.isfinite(values).all():
        raise DataError("a target is not finite")
    if activation != "identity" and not ((values >= 0) & (values <= 1)).all():
        raise DataError(f"a target is no probability: it lies between {values.min():g} and {values.max():g}")
    if activation == "softmax" and not np.allclose(values.sum(axis=-1), 1, atol=1e-3):
        raise DataError("the probabilities of a target's classes do not sum to 1")
    if activation == "sigmoid":
        return np.asarray(np.rint(values * 255), np.uint8)
    return np.log(np.maximum(values, 1e-4)).astype(np.float16) if activation == "softmax" else values


def decode_targets(encoded: np.ndarray, activation: Activation) -> np.ndarray:
    """What an objective receives, float32: probabilities for "sigmoid", else logits or values."""
    values = encoded.astype(np.float32)
    return values / 255 if activation == "sigmoid" else values


def decode_prediction(encoded: np.ndarray, activation: Activation) -> np.ndarray:
    """What a metric receives, float32: probabilities for "sigmoid" and "softmax" (last axis), else values."""
    values = decode_targets(encoded, activation)
    if activation != "softmax":
        return values
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def activate(logits: torch.Tensor, activation: Activation) -> np.ndarray:
    """The prediction that these logits stand for, as a metric would find it in the store; float32."""
    return decode_prediction(encode_logits(logits, activation), activation)


def encode_weight(weight: torch.Tensor, target: np.ndarray, activation: Activation) -> np.ndarray:
    """A weight as it is kept beside its encoded target: uint8, 255 for 1.

    Raises :class:`DataError` when it is not 0..1 or not of the shape that belongs to the target.
    """
    shape = (*target.shape[:-1], 1) if activation == "softmax" else target.shape
    if tuple(weight.shape) != shape:
        raise DataError(
            f"the teacher weighs a target of shape {target.shape} with {tuple(weight.shape)}, not {shape}"
        )
    values = weight.detach().float()
    if not bool(((values >= 0) & (values <= 1)).all()):
        raise DataError("the teacher's weights are not all between 0 and 1")
    return np.asarray((values * 255).round().byte().cpu())


def decode_weight(encoded: np.ndarray) -> np.ndarray:
    """What an objective receives, float32 0..1."""
    return encoded.astype(np.float32) / 255


def to_record(target: np.ndarray, weight: np.ndarray | None = None) -> Record:
    """An encoded target, with its encoded weight if it has one, as the store keeps it."""
    return Record({NAME: target} if weight is None else {NAME: target, WEIGHT: weight})


def read_prediction(store: ShardStore, index: int, activation: Activation) -> np.ndarray:
    """The decoded prediction for one sample; see :func:`decode_prediction`."""
    return decode_prediction(store.read(index, NAME), activation)
