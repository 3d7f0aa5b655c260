"""What the losses of a training say against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# A loss that fell by a smaller share in the whole training has been flat.
LEAST_FALL = 0.01
# One that ends so many times as high as it began has diverged.
RISE = 1.5
# Fewer epochs show no course.
FEWEST_EPOCHS = 3

Rows = Sequence[Mapping[str, float]]


def doubts_about_training(history: Rows) -> list[str]:
    """Each as a sentence about "it", a student; ``history``: its losses, epoch by epoch, as the CSV file has them."""
    if len(history) < FEWEST_EPOCHS:
        return []
    train, validation = ([row[f"{kind}_loss"] for row in history] for kind in ("train", "validation"))
    epochs = len(history)
    for losses, kind in ((train, "training"), (validation, "validation")):
        if losses[-1] > RISE * losses[0] > 0:
            return [
                f"its training diverged: the {kind} loss rose from {losses[0]:.3g} to {losses[-1]:.3g} in {epochs} "
                "epochs; lower training.learning_rate"
            ]
    if all(losses[0] - min(losses) < LEAST_FALL * abs(losses[0]) for losses in (train, validation)):
        return [
            f"its training was flat: the loss stayed at {train[0]:.3g} from the first of {epochs} epochs on; look at "
            "training.learning_rate, and whether the student can learn at all"
        ]
    return []
