"""Does a student learn the same in bfloat16? python benchmarks/mixed.py [--steps N] [--seeds N] [--out FIGURE.svg]

Trains the paper's student (three blocks of three layers) on simulated clips of 10 frames of 56 x 56 and their true
masks: in float32, and with autocast to bfloat16 on the same batches from the same weights, once for each seed. Prints
the mean loss of every 50 steps, means and standard deviations over the seeds, and the largest difference between the
precisions of a seed beside the largest between seeds. ``--out``: a figure of the curves, of which each point is the
mean over 10 steps.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from kdkit_echocardio.networks.paper import PaperConvLSTM
from kdkit_echocardio.phantom import simulate
from torch.nn.functional import binary_cross_entropy_with_logits

from kdkit.allocation import keep_freed_memory

CLIPS, FRAMES, SIZE, BATCH = 96, 10, 56, 4
LEARNING_RATE = 3e-3
PRINTED, DRAWN = 50, 10


def simulate_clips() -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures uint8 and cavities float32, (CLIPS, FRAMES, SIZE, SIZE) each."""
    clips = [
        simulate(np.random.default_rng([41, index]), frames=FRAMES, size=SIZE, fps=12.0) for index in range(CLIPS)
    ]
    pictures, cavities = (np.stack([getattr(clip, part) for clip in clips]) for part in ("frames", "mask"))
    return torch.from_numpy(pictures), torch.from_numpy(cavities).float()


def losses(pictures: torch.Tensor, cavities: torch.Tensor, seed: int, steps: int, is_lower: bool) -> Iterator[float]:
    """The loss of each step."""
    torch.manual_seed(seed)
    network = PaperConvLSTM(3, 3).train()
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, fused=True)
    order = np.random.default_rng(seed)
    for _ in range(steps):
        chosen = torch.from_numpy(order.choice(CLIPS, BATCH, replace=False))
        with torch.autocast("cpu", torch.bfloat16, enabled=is_lower):
            logits = network(pictures[chosen])
        loss = binary_cross_entropy_with_logits(logits.float(), cavities[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def main() -> None:
    """Train, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    keep_freed_memory()
    clips = simulate_clips()
    curves = np.empty((2, options.seeds, options.steps))
    for seed in range(options.seeds):
        for is_lower in (False, True):
            curves[int(is_lower), seed] = list(losses(*clips, seed, options.steps, is_lower))
    print(f"{'steps':<12}{'float32':>18}{'bfloat16':>18}{'between precisions':>22}{'between seeds':>16}")
    for start in range(0, options.steps, PRINTED):
        means = curves[:, :, start : start + PRINTED].mean(2)
        full, lower = (f"{row.mean():.4f} +- {row.std(ddof=1):.4f}" for row in means)
        apart, spread = np.abs(means[1] - means[0]).max(), np.ptp(means[0])
        print(f"{start + 1}-{start + PRINTED:<8}{full:>18}{lower:>18}{apart:>22.4f}{spread:>16.4f}", flush=True)
    if options.out:
        draw(curves, options.out)


def draw(curves: np.ndarray, path: Path) -> None:
    """The losses (2, seeds, steps) of float32 and bfloat16."""
    _, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name, colour, runs in zip(("float32", "bfloat16"), ("C0", "C1"), curves, strict=True):
        for number, run in enumerate(runs):
            points = run[: len(run) // DRAWN * DRAWN].reshape(-1, DRAWN).mean(1)
            axes.plot(DRAWN * (np.arange(len(points)) + 0.5), points, colour, label=name if number == 0 else None)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.legend()
    plt.savefig(path)


if __name__ == "__main__":
    main()
