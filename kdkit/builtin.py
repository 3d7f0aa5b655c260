"""What the core itself registers, through the same hooks as any plugin."""

from __future__ import annotations

from kdkit.entry import Entry
from kdkit.hookspecs import hookimpl


@hookimpl
def kdkit_objectives() -> list[Entry]:
    return [
        Entry(
            "soft-bce",
            "Binary cross-entropy against the teacher's probabilities",
            "kdkit.objectives.soft_bce:SoftBCE",
        ),
        Entry(
            "kl",
            "Kullback-Leibler divergence of softened class distributions (Hinton 2015)",
            "kdkit.objectives.kl:KL",
        ),
        Entry("mse", "Mean squared difference of logits or values", "kdkit.objectives.mse:MSE"),
    ]
