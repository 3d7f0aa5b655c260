"""Several differences judged together, so that all claims of the family are right at once with 95 %."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from kdkit.evaluation.estimate import ALPHA
from kdkit.evaluation.judgement import JudgedDifference
from kdkit.evaluation.paired import PairedEstimate

Key = TypeVar("Key")


@dataclass(frozen=True)
class Candidate:
    """A difference that may give rise to a claim, with what it is judged by."""

    pair: PairedEstimate
    higher_is_better: bool | None
    margin: float

    def judge(self, alpha: float) -> JudgedDifference:
        """The difference, judged by the interval that leaves the truth out with probability ``alpha``."""
        difference, wider = self.pair.difference(), self.pair.difference(alpha)
        return JudgedDifference.of(difference, self.higher_is_better, self.margin, wider)


def judge_family(family: Mapping[Key, Candidate], alpha: float = ALPHA) -> dict[Key, JudgedDifference]:
    """Each difference with its own 95 % interval, and a verdict that holds for all of the family together.

    Any verdict but "cannot tell" is a claim. Holm's step-down (1979, Scandinavian Journal of Statistics 6:65): of m
    differences those are claimed whose interval at the level 1 - alpha/m allows it, then those among the k that are
    left whose interval at 1 - alpha/k does, and so on. Without any difference in truth, a claim is made with
    probability ``alpha`` at most. A difference that nothing could be measured for is no member of the family.
    """
    judged = {key: candidate.judge(alpha) for key, candidate in family.items() if not candidate.pair.n}
    undecided = {key: candidate for key, candidate in family.items() if candidate.pair.n}
    while undecided:
        verdicts = {key: candidate.judge(alpha / len(undecided)) for key, candidate in undecided.items()}
        claims = {key for key, verdict in verdicts.items() if verdict.verdict != "cannot tell"}
        judged |= {key: verdicts[key] for key in (claims or verdicts)}
        undecided = {key: undecided[key] for key in undecided if claims and key not in claims}
    return {key: judged[key] for key in family}
