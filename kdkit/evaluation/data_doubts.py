"""What speaks against scores on a user's data: that the student has seen it."""

from __future__ import annotations

from collections.abc import Sequence

DATA = "data"
_EXAMPLES = 3


def doubts_about_data(trained: Sequence[str], trained_units: Sequence[str], measured: int) -> list[str]:
    """Sentences, none where nothing is known to be familiar.

    ``trained``: names of samples, of the ``measured`` ones, that the student was trained on; ``trained_units``: of
    others that are of a patient or another unit that it was trained on.
    """
    doubts = []
    if trained:
        doubts.append(f"the student was trained on {len(trained)} of these {measured} samples ({_examples(trained)})")
    if trained_units:
        count = len(trained_units)
        doubts.append(
            f"{count} of these {measured} samples {'is' if count == 1 else 'are'} of units, patients say, that the "
            f"student was trained on, by their names ({_examples(trained_units)})"
        )
    return doubts


def _examples(names: Sequence[str]) -> str:
    return ", ".join(names[:_EXAMPLES]) + (", ..." if len(names) > _EXAMPLES else "")
