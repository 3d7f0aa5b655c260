"""Several generators as one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import model_validator

from kdkit import ComponentOptions, Defect, Field, Generator, GeneratorChoice, Progress, Sample, fingerprint_of

from .mixed_splits import Source, draw_turns

if TYPE_CHECKING:
    from typing import Self

    from kdkit import Teacher

# The fractional parts of its multiples fill 0..1 evenly however many there are (Weyl's sequence).
_GOLDEN = (5**0.5 - 1) / 2


class Mix(Generator):
    """Samples of several generators, each by name with its own options, in turn: whatever the members give.

    Of any number of samples each member makes its share, and makes them in its own order, so that recordings are used
    from the first one on. Samples end where the first member runs out of them; one that has few may give them several
    times over (``repeats``), and what repeats stays in one split where it is no simulation.
    """

    class Options(ComponentOptions):
        members: tuple[GeneratorChoice, ...] = Field(
            description="The generators, two or more: [{name: ..., options}, ...]; all make samples of one shape."
        )
        shares: tuple[float, ...] | None = Field(
            None,
            description="The share of each member, above 0; they are scaled to add up to 1. null: equal shares.",
        )
        repeats: tuple[int, ...] | None = Field(
            None,
            description="How often each member gives its samples, from 1, for a few recordings among much that is "
            "simulated. null: once.",
        )

        @model_validator(mode="after")
        def _fit_together(self) -> Self:
            count = len(self.members)
            if count < 2:
                raise ValueError("a mix has two or more members")
            if self.shares is not None and (len(self.shares) != count or min(self.shares) <= 0):
                raise ValueError(f"shares are {count} numbers above 0, one for each member")
            if self.repeats is not None and (len(self.repeats) != count or min(self.repeats) < 1):
                raise ValueError(f"repeats are {count} whole numbers from 1, one for each member")
            return self

    def __init__(self, options: ComponentOptions, seed: int = 0) -> None:
        super().__init__(options, seed)
        # Other seeds, so that one generator twice does not give everything twice.
        self.members = [choice.make(seed + (number << 32)) for number, choice in enumerate(self.options.members)]
        self.synthetic = all(member.synthetic for member in self.members)
        self.needs_gradients = any(member.needs_gradients for member in self.members)

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """Fine noise, and coarse noise a third of the time."""
        members = [{"name": "noise", "shape": (8, 8), "grain": grain} for grain in (1, 2)]
        return {"members": members, "shares": (2, 1)}

    def bind(self, teacher: Teacher) -> None:
        super().bind(teacher)
        for member in self.members:
            if member.needs_gradients:
                member.bind(teacher)

    def files(self) -> Sequence[Path]:
        return [Path(file) for member in self.members for file in member.files()]

    def read_files(self, progress: Progress) -> None:
        for member in self.members:
            member.read_files(progress)

    def prepare(self, progress: Progress) -> None:
        for member in self.members:
            member.prepare(progress)

    def fingerprint(self) -> str:
        """Of what the members are themselves known by, whatever that is: the contents of a folder, say."""
        options = self.options.model_dump(mode="json", exclude={"members"})
        members = [member.fingerprint() for member in self.members]
        return fingerprint_of(**self.identity(), seed=self.seed, options=options, members=members)

    def count(self) -> int | None:
        counts = zip([member.count() for member in self.members], self._repeats, strict=True)
        ends = [self._end(number, n * times) for number, (n, times) in enumerate(counts) if n is not None]
        return min(ends, default=None)

    def units(self) -> Sequence[str] | None:
        """Those of the members that name any; what is simulated is a unit of its own."""
        count = self.count()
        if count is None:
            return None
        named = [None if member.synthetic else member.units() for member in self.members]
        owners, ranks = self._owners_and_ranks(count)
        for number in range(len(self.members)):
            ranks[owners == number] = self._own_indices(number, ranks[owners == number])
        return [
            f"{owner} {units[index]}" if (units := named[owner]) else f"{owner} sample {index}"
            for owner, index in zip(owners.tolist(), ranks.tolist(), strict=True)
        ]

    def draw_splits(self, sizes: Sequence[int]) -> Sequence[int]:
        """Each member has its share in each split, and gives as many different samples of its own as it has."""
        sources = [Source(self._units_of(number), times) for number, times in enumerate(self._repeats)]
        turns = draw_turns(self._owners(sum(sizes)), sizes, sources, self.seed)
        last = [max((turn for owner, turn in turns if owner == number), default=-1) for number in range(len(sources))]
        positions = [self._positions(number, count + 1) for number, count in enumerate(last)]
        return [int(positions[owner][turn]) for owner, turn in turns]

    def recordings(self, indices: Sequence[int]) -> Sequence[str | None]:
        """As each member says of its own samples."""
        owners, ranks = self._owners_and_ranks(max(indices, default=-1) + 1)
        by_index: dict[int, str] = {}
        for number, member in enumerate(self.members):
            own = [index for index in indices if owners[index] == number]
            told = member.recordings(self._own_indices(number, ranks[own]).tolist())
            known = {index: name for index, name in zip(own, told, strict=True) if name is not None}
            by_index |= {index: f"{number} {name}" for index, name in known.items()}
        return [by_index.get(index) for index in indices]

    def has_truth(self) -> bool:
        return any(member.has_truth() for member in self.members)

    def exclusions(self) -> Sequence[Defect]:
        return [defect for member in self.members for defect in member.exclusions()]

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        index_list = list(indices)
        owners, ranks = self._owners_and_ranks(max(index_list, default=0) + 1)
        asked = [[index for index in index_list if owners[index] == number] for number in range(len(self.members))]
        streams = [
            member.generate(self._own_indices(number, ranks[own]).tolist())
            for number, (member, own) in enumerate(zip(self.members, asked, strict=True))
        ]
        for index in index_list:
            yield next(streams[owners[index]])

    @property
    def _repeats(self) -> Sequence[int]:
        return self.options.repeats or [1] * len(self.members)

    def _own_indices(self, number: int, ranks: np.ndarray) -> np.ndarray:
        """A member's indices of its samples in the mix, int64 (n,): after the last one the first, as often as asked.

        Beyond that they are none of the member's, which tells so.
        """
        count = self.members[number].count() if self._repeats[number] > 1 else None
        return ranks if not count else np.where(ranks < count * self._repeats[number], ranks % count, ranks)

    def _owners_and_ranks(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The member of each of the first ``count`` samples, and how many of it come before: int64 (count,)."""
        owners = self._owners(count)
        ranks = np.zeros(len(owners), np.int64)
        for number in range(len(self.members)):
            is_own = owners == number
            ranks[is_own] = np.arange(is_own.sum())
        return owners, ranks

    @cached_property
    def _borders(self) -> np.ndarray:
        shares = np.array(self.options.shares or [1.0] * len(self.members))
        return np.cumsum(shares / shares.sum())[:-1]

    def _owners(self, count: int) -> np.ndarray:
        """The member that makes each of the first ``count`` samples: int64 (count,)."""
        return np.searchsorted(self._borders, (np.arange(count) * _GOLDEN) % 1.0, side="right")

    def _units_of(self, number: int) -> Sequence[str] | None:
        """The unit of each sample of a member, None where there is no end to them."""
        member = self.members[number]
        count = member.count()
        if count is None:
            return None
        units = None if member.synthetic else member.units()
        return units if units is not None else [str(index) for index in range(count)]

    def _end(self, number: int, count: int) -> int:
        """The index at which member ``number``, which has ``count`` samples, would have to make one more."""
        return int(self._positions(number, count + 1)[count])

    def _positions(self, number: int, count: int) -> np.ndarray:
        """The first ``count`` indices that are a member's, or more: int64."""
        for limit in (16 * 2**n for n in itertools.count()):
            positions = np.flatnonzero(self._owners(limit) == number)
            if len(positions) >= count:
                return positions
        raise AssertionError
