"""A model's answers in a store, and how they are kept.

"sigmoid": probabilities rounded to 8 bits, at most 1/510 from the model's own. "softmax": logits in half precision,
so that any temperature can be applied later. "identity": values in single precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kdkit.contracts.domain import Activation
from kdkit.store.shards import Record, ShardStore

if TYPE_CHECKING:
    import torch

NAME = "answer"


def encode(logits: torch.Tensor, activation: Activation) -> np.ndarray:
    """Logits as they are kept: uint8, float16 or float32 of the same shape."""
    values = logits.detach().float()
    if activation == "sigmoid":
        return np.asarray((values.sigmoid() * 255).round().byte().cpu())
    kept = values.cpu().numpy()
    return kept.astype(np.float16) if activation == "softmax" else kept


def decode_targets(kept: np.ndarray, activation: Activation) -> np.ndarray:
    """What an objective receives, float32: probabilities for "sigmoid", else logits or values."""
    values = kept.astype(np.float32)
    return values / 255 if activation == "sigmoid" else values


def decode_answer(kept: np.ndarray, activation: Activation) -> np.ndarray:
    """What a metric receives, float32: probabilities for "sigmoid" and "softmax" (last axis), else values."""
    values = decode_targets(kept, activation)
    if activation != "softmax":
        return values
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def to_record(answer: np.ndarray) -> Record:
    """An encoded answer as the store keeps it."""
    return Record({NAME: answer})


def read_answer(store: ShardStore, index: int, activation: Activation) -> np.ndarray:
    """The decoded answer to one sample; see :func:`decode_answer`."""
    return decode_answer(store.read(index, NAME), activation)
