"""The optimisation behind inversion; importing it loads torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from kdkit import DataError, one_thread
from kdkit_generators import losses
from kdkit_generators.teacher_pass import run_teacher

# Foreground shares that masks are optimised for.
SHARES = (0.05, 0.5)
SPATIAL = {"hw": (1, 2), "hwc": (1, 2), "thw": (2, 3)}


def invert(network: torch.nn.Module, options: Any, rng: np.random.Generator) -> np.ndarray:
    """A block of samples, uint8 (block, \\*shape), drawn from ``rng`` alone.

    Raises :class:`kdkit.DataError` when the optimisation runs into numbers that are not finite.
    """
    start = rng.normal(size=(options.block, *options.shape)).astype(np.float32)
    draws = torch.from_numpy(rng.random(options.block, dtype=np.float32))
    values = torch.from_numpy(start).requires_grad_()
    optimizer = torch.optim.Adam([values], options.learning_rate)
    with one_thread(), torch.enable_grad():
        for _ in range(options.steps):
            loss = _loss(network, values.sigmoid(), draws, options)
            if not bool(loss.isfinite()):
                raise DataError("the optimisation came to numbers that are not finite", "Lower its learning_rate.")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return np.asarray((255 * values.detach().sigmoid()).round().to(torch.uint8))


def _loss(network: torch.nn.Module, images: torch.Tensor, draws: torch.Tensor, options: Any) -> torch.Tensor:
    """What the images, 0..1, are optimised by; ``draws``: for each a number 0..1 that decides its class or share."""
    output = run_teacher(network, 255 * images, bool(options.batch_norm), None)
    total = images.new_zeros(())
    if options.confidence and options.answers != "any":
        confidence = _class_confidence if options.answers == "classes" else _mask_confidence
        total = total + options.confidence * confidence(output.logits.float(), draws)
    if output.mismatch is not None:
        total = total + options.batch_norm * output.mismatch
    if options.total_variation:
        total = total + options.total_variation * losses.total_variation(images, SPATIAL[options.layout])
    if options.l2:
        total = total + options.l2 * images.square().mean()
    return total


def _class_confidence(logits: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with one class for each sample, wherever in its logits."""
    count = logits.shape[-1]
    classes = (draws * count).long().clamp(max=count - 1)
    rows = logits.flatten(1, -2) if logits.ndim > 2 else logits.unsqueeze(1)
    return F.cross_entropy(rows.flatten(0, 1), classes.repeat_interleave(rows.shape[1]))


def _mask_confidence(logits: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Doubt, and the squared distance of each sample's mean probability from its share of foreground."""
    low, high = SHARES
    shares = low + (high - low) * draws
    return losses.doubt(logits) + (logits.flatten(1).sigmoid().mean(1) - shares).square().mean()
