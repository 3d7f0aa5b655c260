"""Several generators as one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import model_validator

from kdkit import ComponentOptions, Defect, Field, Generator, GeneratorChoice, Progress, Sample

if TYPE_CHECKING:
    from typing import Self

    from kdkit import Teacher

# The fractional parts of its multiples fill 0..1 evenly however many there are (Weyl's sequence).
_GOLDEN = (5**0.5 - 1) / 2


class Mix(Generator):
    """Samples of several generators, each by name with its own options, in turn: whatever the members give.

    Of any number of samples each member makes its share, and makes them in its own order, so that recordings are used
    from the first one on. Samples end where the first member runs out of them.
    """

    class Options(ComponentOptions):
        members: tuple[GeneratorChoice, ...] = Field(
            description="The generators, two or more: [{name: ..., options}, ...]; all make samples of one shape."
        )
        shares: tuple[float, ...] | None = Field(
            None,
            description="The share of each member, above 0; they are scaled to add up to 1. null: equal shares.",
        )

        @model_validator(mode="after")
        def _fit_together(self) -> Self:
            count = len(self.members)
            if count < 2:
                raise ValueError("a mix has two or more members")
            if self.shares is not None and (len(self.shares) != count or min(self.shares) <= 0):
                raise ValueError(f"shares are {count} numbers above 0, one for each member")
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

    def count(self) -> int | None:
        ends = [self._end(number, count) for number, m in enumerate(self.members) if (count := m.count()) is not None]
        return min(ends, default=None)

    def units(self) -> Sequence[str] | None:
        """Those of the members that name any; what is simulated is a unit of its own."""
        count = self.count()
        if count is None:
            return None
        named = [None if member.synthetic else member.units() for member in self.members]
        owners, ranks = self._owners_and_ranks(count)
        return [
            f"{owner} {units[rank]}" if (units := named[owner]) else f"{owner} sample {rank}"
            for owner, rank in zip(owners.tolist(), ranks.tolist(), strict=True)
        ]

    def exclusions(self) -> Sequence[Defect]:
        return [defect for member in self.members for defect in member.exclusions()]

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        index_list = list(indices)
        owners, ranks = self._owners_and_ranks(max(index_list, default=0) + 1)
        streams = [
            member.generate([int(ranks[index]) for index in index_list if owners[index] == number])
            for number, member in enumerate(self.members)
        ]
        for index in index_list:
            yield next(streams[owners[index]])

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

    def _end(self, number: int, count: int) -> int:
        """The index at which member ``number``, which has ``count`` samples, would have to make one more."""
        for limit in (16 * 2**n for n in itertools.count()):
            positions = np.flatnonzero(self._owners(limit) == number)
            if len(positions) > count:
                return int(positions[count])
        raise AssertionError
