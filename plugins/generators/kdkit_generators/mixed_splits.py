"""Which of a mix's samples lie in which split: each member keeps its share in all, and no unit lies in two."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_STREAM = int.from_bytes(b"mixed", "big") % 2**32


@dataclass(frozen=True)
class Source:
    """What there is of one member: ``units``, that of each of its samples, or None where there is no end to them;
    and how many times over it may give them."""

    units: Sequence[str] | None
    repeats: int = 1


def draw_turns(
    owners: np.ndarray, sizes: Sequence[int], sources: Sequence[Source], seed: int
) -> list[tuple[int, int]]:
    """For each sample of splits of these ``sizes``, one split after the other, its member and that one's turn.

    ``owners``: the member whose turn each sample is, int64 (sum of sizes,). A member's turn t is its sample t, and
    where it has n of them, sample t % n for the (t // n)-th time. Units are drawn at random for one split after the
    other, as many as it needs, but where simulated samples can stand in for them no more than a quarter of all; the
    last one has the rest, so that a longer one changes nothing of what comes before it. Each split takes all that it
    has of a member once before it takes any a second time. Where a split but the last has too little of a member, one
    without an end gives samples instead. What ends before the sum of sizes lacks samples of the last split, or of one
    that nothing can stand in for.
    """
    places = [np.arange(stop - size, stop) for size, stop in zip(sizes, itertools.accumulate(sizes), strict=True)]
    spare = next((number for number, source in enumerate(sources) if source.units is None), None)
    queues: dict[tuple[int, int], list[int]] = {}
    for number, source in enumerate(sources):
        if source.units is None:
            continue
        needs = [int((owners[part] == number).sum()) for part in places]
        rng = np.random.default_rng([seed, _STREAM, number])
        for split, samples in enumerate(_deal(source.units, needs, spare is not None, rng)):
            turns = [len(source.units) * time + sample for time in range(source.repeats) for sample in samples]
            queues[number, split] = turns[::-1]
    drawn: list[tuple[int, int]] = []
    fresh = [0] * len(sources)
    for split, part in enumerate(places):
        for owner in owners[part].tolist():
            number = owner
            if sources[owner].units is not None and not queues[owner, split]:
                if spare is None or split == len(places) - 1:
                    return drawn
                number = spare
            if sources[number].units is None:
                drawn.append((number, fresh[number]))
                fresh[number] += 1
            else:
                drawn.append((number, queues[number, split].pop()))
    return drawn


def _deal(units: Sequence[str], needs: Sequence[int], may_lack: bool, rng: np.random.Generator) -> list[list[int]]:
    """The samples for each split, of other units than those of the others; units come in turn, one sample of each."""
    members: dict[str, list[int]] = {}
    for sample, unit in enumerate(units):
        members.setdefault(unit, []).append(sample)
    names = list(members)
    drawn = [members[names[place]] for place in rng.permutation(len(names))]
    most = max(len(drawn) // 4, 1) if may_lack else len(drawn)
    hands: list[list[list[int]]] = []
    for later, need in zip(range(len(needs) - 1, 0, -1), needs[:-1], strict=True):
        hand: list[list[int]] = []
        # One is left for each split to come; the last one goes first.
        while len(drawn) > later and len(hand) < most and sum(map(len, hand)) < need:
            hand.append(drawn.pop(0))
        hands.append(hand)
    hands.append(drawn)
    return [[s for turn in itertools.zip_longest(*hand) for s in turn if s is not None] for hand in hands]
