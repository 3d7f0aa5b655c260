"""A frozen network's answers to raw inputs. Lightning is not needed for that, and not imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from kdkit.allocation import keep_freed_memory
from kdkit.engine.guard import read_logits, run_network, title_of_network

# Elements of raw input in one forward pass: bounds the memory whatever the size of a sample.
BATCH_ELEMENTS = 4_000_000


def freeze(network: torch.nn.Module) -> torch.nn.Module:
    """The network in evaluation mode, without gradients. Whatever its own methods give, it is the network itself."""
    keep_freed_memory()
    network.eval()
    network.requires_grad_(False)
    return network


def infer_logits(network: torch.nn.Module, inputs: Sequence[np.ndarray], device: torch.device) -> list[torch.Tensor]:
    """The network's logits to each raw input, float, in order; equal shapes share a batch of bounded size."""
    return [logits for logits, _ in infer_weighted_logits(network, inputs, device)]


def infer_weighted_logits(
    network: torch.nn.Module, inputs: Sequence[np.ndarray], device: torch.device
) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """As :func:`infer_logits`, each with its weight, if the network gives one."""
    outputs: list[tuple[torch.Tensor, torch.Tensor | None]] = []
    for batch in _batches(inputs):
        raw = torch.from_numpy(np.stack(batch)).to(device)
        with torch.inference_mode():
            logits, weight = read_logits(run_network(network, raw), len(batch), title_of_network(network))
        outputs.extend(zip(logits.float(), weight if weight is not None else [None] * len(batch), strict=True))
    return outputs


def _batches(inputs: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    batch: list[np.ndarray] = []
    for array in inputs:
        same_shape = batch and array.shape == batch[0].shape
        if batch and not (same_shape and (len(batch) + 1) * array.size <= BATCH_ELEMENTS):
            yield batch
            batch = []
        batch.append(array)
    if batch:
        yield batch
