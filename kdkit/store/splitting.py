"""Which samples of a source of recordings lie in which split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_STREAM = int.from_bytes(b"splits", "big") % 2**32


def draw_order(units: Sequence[str], sizes: Sequence[int], seed: int) -> list[int]:
    """Indices of samples in the order in which splits of these ``sizes`` take them.

    ``units``: the unit of each sample. Units are drawn at random by the ``seed``, and those of one stay together. A
    unit across the border of two splits loses the samples beyond it, so that no unit lies in both. A longer last
    split begins like a shorter one.
    """
    members: dict[str, list[int]] = {}
    for index, unit in enumerate(units):
        members.setdefault(unit, []).append(index)
    names = list(members)
    drawn = np.random.default_rng([seed, _STREAM]).permutation(len(names))
    borders = list(np.cumsum(sizes[:-1]))
    order: list[int] = []
    for number in drawn:
        samples = members[names[number]]
        while borders and borders[0] <= len(order):
            del borders[0]
        room = borders[0] - len(order) if borders else len(samples)
        order += samples[:room]
    return order
