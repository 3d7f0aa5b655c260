"""One line on whether to trust the student, made from the numbers alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kdkit.contracts.metric import Score
from kdkit.evaluation.numbers import with_unit, written
from kdkit.evaluation.outcome import Outcome
from kdkit.evaluation.ranking import badness
from kdkit.runs.folder import CONTROL, STUDENT, TEACHER

# Share of the way from the control to the teacher from which a student counts as close, though the intervals part.
CLOSE = 0.95
# With fewer samples a bootstrap interval says little.
FEW_SAMPLES = 20

Level = Literal["good", "mixed", "bad"]


@dataclass(frozen=True)
class Verdict:
    """``headline`` is the judgement, ``numbers`` what it rests on, ``remarks`` what weakens it."""

    level: Level
    headline: str
    numbers: str
    remarks: list[str]


def verdict(outcome: Outcome) -> Verdict:
    """The student against its teacher and its control on the first metric. Models differ where intervals part."""
    student = outcome.first(STUDENT)
    control = outcome.first(CONTROL)
    if student is None or student.value is None:
        text = f"No evaluation sample could be measured with {outcome.metric}."
        return Verdict("bad", "The student was not scored.", text, [])
    level, headline = _judgement(student, outcome.first(TEACHER), control)
    remarks = []
    if control is None or control.value is None:
        remarks.append("There is no control to compare with, so nothing shows how much of this is easy.")
    if student.n < FEW_SAMPLES:
        remarks.append(f"Only {student.n} samples were measured: do not lean on the intervals.")
    return Verdict(level, headline, _numbers(outcome), remarks)


def _judgement(student: Score, teacher: Score | None, control: Score | None) -> tuple[Level, str]:
    if control is not None and control.value is not None and not _beats(student, control):
        return "bad", _no_better(student, teacher, control)
    if teacher is None or teacher.value is None:
        return "mixed", "The teacher could not be scored, so the student stands alone."
    best: Level = "good" if control is not None and control.value is not None else "mixed"
    if _beats(student, teacher):
        return best, "The student does better than its teacher."
    if not _beats(teacher, student):
        return best, "The student keeps up with its teacher."
    share = _share(student, teacher, control)
    if share is None:
        return "mixed", "The student falls short of its teacher."
    way = f"{share:.0%} of the way from the control to the teacher".replace("%", "\u00a0%")
    if share >= CLOSE:
        return best, f"The student comes close to its teacher: {way}."
    return "mixed", f"The student falls short of its teacher: {way}."


def _no_better(student: Score, teacher: Score | None, control: Score) -> str:
    if teacher is not None and not _beats(teacher, control):
        return "This measures nothing: even the teacher does no better than the control."
    if _beats(control, student):
        return "The student does worse than the control."
    return "The student does no better than the control."


def _numbers(outcome: Outcome) -> str:
    parts = []
    for model in (STUDENT, TEACHER, CONTROL):
        score = outcome.first(model)
        if score is not None:
            parts.append(f"{model} {with_unit(written(score).line, score.unit)}")
    count = getattr(outcome.first(STUDENT), "n", 0)
    return f"{outcome.metric} on {count} sample{'' if count == 1 else 's'} (95\u00a0% intervals): {', '.join(parts)}."


def _beats(one: Score, other: Score) -> bool:
    """Whether ``one`` is better, and the two intervals do not touch."""
    mine, its = _span(one), _span(other)
    return mine is not None and its is not None and mine[1] < its[0]


def _span(score: Score) -> tuple[float, float] | None:
    """The interval on the scale of :func:`badness`; the value alone where there is no interval."""
    if score.value is None:
        return None
    ends = [score.value if end is None else end for end in (score.ci_low, score.ci_high)]
    low, high = sorted(badness(end, score.higher_is_better) for end in ends)
    includes_zero = ends[0] <= 0 <= ends[1]
    return (0.0 if score.higher_is_better is None and includes_zero else low), high


def _share(student: Score, teacher: Score, control: Score | None) -> float | None:
    """How much of the way from the control to the teacher the student has gone."""
    if control is None or student.value is None or teacher.value is None or control.value is None:
        return None
    values = (student.value, teacher.value, control.value)
    at, goal, start = (badness(value, student.higher_is_better) for value in values)
    return (start - at) / (start - goal) if start > goal else None
