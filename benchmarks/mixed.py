"""Does a student learn the same in bfloat16? python benchmarks/mixed.py [--steps N] [--seeds N] [--out FIGURE.svg]

Trains the paper's student (three blocks of three layers) on simulated clips of 8 frames of 56 x 56 and their true
masks: in float32; with autocast to bfloat16, on the same batches from the same weights; and again in float32 from
weights that differ by one part in a thousand at random, which says how far trainings drift apart by themselves.
Prints the mean loss of every 50 steps, and how much more it is than the first one's, means and standard deviations
over the seeds. ``--out``: a figure of the curves, of which each point is the mean over 10 steps.
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

CLIPS, FRAMES, SIZE, BATCH = 96, 8, 56, 2
LEARNING_RATE = 3e-3
ARMS = FULL, LOWER, AGAIN = "float32", "bfloat16", "float32 again"
# How much the weights differ that the third one begins with.
DRIFT = 1e-3
PRINTED, DRAWN = 50, 10


def simulate_clips() -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures uint8 and cavities float32, (CLIPS, FRAMES, SIZE, SIZE) each."""
    clips = [
        simulate(np.random.default_rng([41, index]), frames=FRAMES, size=SIZE, fps=12.0) for index in range(CLIPS)
    ]
    pictures, cavities = (np.stack([getattr(clip, part) for clip in clips]) for part in ("frames", "mask"))
    return torch.from_numpy(pictures), torch.from_numpy(cavities).float()


def losses(pictures: torch.Tensor, cavities: torch.Tensor, seed: int, steps: int, arm: str) -> Iterator[float]:
    """The loss of each step."""
    torch.manual_seed(seed)
    network = PaperConvLSTM(3, 3).train()
    if arm == AGAIN:
        with torch.no_grad():
            for weight in network.parameters():
                weight *= 1 + DRIFT * torch.randn_like(weight)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, fused=True)
    order = np.random.default_rng(seed)
    for _ in range(steps):
        chosen = torch.from_numpy(order.choice(CLIPS, BATCH, replace=False))
        with torch.autocast("cpu", torch.bfloat16, enabled=arm == LOWER):
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
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    keep_freed_memory()
    clips = simulate_clips()
    curves = np.array(
        [[list(losses(*clips, seed, options.steps, arm)) for seed in range(options.seeds)] for arm in ARMS]
    )
    print(
        f"{'steps':<12}"
        + "".join(f"{arm:>22}" for arm in ARMS)
        + "".join(f"{arm + ', more':>22}" for arm in ARMS[1:])
    )
    for start in range(0, options.steps, PRINTED):
        means = curves[:, :, start : start + PRINTED].mean(2)
        columns = [*means, *(means[1:] - means[0])]
        texts = "".join(f"{f'{column.mean():.4f} +- {column.std(ddof=1):.4f}':>22}" for column in columns)
        print(f"{f'{start + 1}-{start + PRINTED}':<12}{texts}")
    if options.out:
        draw(curves, options.out)


def draw(curves: np.ndarray, path: Path) -> None:
    """The losses, (arms, seeds, steps)."""
    _, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name, colour, runs in zip(ARMS, ("C0", "C1", "C2"), curves, strict=True):
        for number, run in enumerate(runs):
            points = run[: len(run) // DRAWN * DRAWN].reshape(-1, DRAWN).mean(1)
            axes.plot(DRAWN * (np.arange(len(points)) + 0.5), points, colour, label=name if number == 0 else None)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.legend()
    plt.savefig(path)


if __name__ == "__main__":
    main()
