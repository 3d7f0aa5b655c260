"""One line on whether to trust the student, from paired differences on the first metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kdkit.contracts.bootstrap import FEWEST_UNITS
from kdkit.contracts.metric import Score
from kdkit.evaluation.data_doubts import DATA
from kdkit.evaluation.estimate import SeedScore
from kdkit.evaluation.judgement import JudgedDifference
from kdkit.evaluation.numbers import format_score, format_significant, with_unit
from kdkit.evaluation.outcome import Outcome
from kdkit.runs.folder import STUDENT, TEACHER

# With fewer units even a right interval rests on little.
FEW_UNITS = 20

Level = Literal["good", "mixed", "bad"]


@dataclass(frozen=True)
class Verdict:
    """``headline`` is the judgement, ``numbers`` what it rests on, ``remarks`` what weakens it."""

    level: Level
    headline: str
    numbers: str
    remarks: list[str]


def verdict(outcome: Outcome) -> Verdict:
    """The student against its teacher and its first control on the first metric."""
    student = outcome.first(STUDENT)
    if student is None or student.value is None:
        text = f"No evaluation sample could be measured with {outcome.metric}."
        if student is not None and student.n:
            text = f"{outcome.metric} of {student.n} samples is not a finite number."
        return Verdict("bad", "The student was not scored.", text, _doubts(outcome))
    level, headline = _judgement(outcome, student)
    remarks = _doubts(outcome)
    if outcome.doubts.get(TEACHER):
        level, headline = "bad", f"The teacher is not to be trusted: {outcome.doubts[TEACHER][0]}."
    elif outcome.doubts.get(STUDENT):
        level, headline = "bad", f"The student is not to be trusted: {outcome.doubts[STUDENT][0]}."
    elif outcome.doubts.get(DATA):
        level, headline = "bad", f"These scores are not those of unseen data: {outcome.doubts[DATA][0]}."
    if _beside_control(outcome, STUDENT) is None:
        remarks.append("There is no control to compare with, so nothing shows how much of this is easy.")
    if student.units < FEW_UNITS:
        count = f"Only {student.units} independent unit{'s were' if student.units != 1 else ' was'} measured"
        interval = "there is no interval" if student.ci_low is None else "do not lean on the intervals"
        remarks.append(f"{count}: {interval}.")
    return Verdict(level, headline, _numbers(outcome, student), remarks)


def _doubts(outcome: Outcome) -> list[str]:
    return [
        f"Doubtful ({about}): {sentence}." for about, sentences in outcome.doubts.items() for sentence in sentences
    ]


def _judgement(outcome: Outcome, student: Score) -> tuple[Level, str]:
    control = _beside_control(outcome, STUDENT)
    if control is not None and control.ci_low is None:
        return "mixed", f"Cannot tell: {_why_no_interval(control)}."
    if control is not None and not _is_better(control, student):
        return "bad", _no_better(outcome, control, student)
    teacher = outcome.difference(STUDENT, TEACHER)
    if teacher is None:
        if control is None:
            return "mixed", "The student stands alone: neither its teacher nor a control was scored."
        return "good", f"The student does better than the control; {outcome.metric} gives its teacher no score."
    level: Level = "good" if control is not None else "mixed"
    margin = with_unit(f"{teacher.margin:g}", student.unit)
    beyond = f" by more than {margin}" if teacher.margin else ""
    match teacher.verdict:
        case "equivalent or better":
            if _is_better(teacher, student):
                return level, "The student is better than its teacher."
            return level, f"The student is equivalent to its teacher: at most {margin} worse."
        case "slightly worse":
            return level, f"The student is slightly worse than its teacher: by less than {margin}."
        case "worse":
            return "mixed", f"The student is worse than its teacher{beyond}."
    units = f"{teacher.more_units} more unit{'' if teacher.more_units == 1 else 's'}"
    more = f"; about {units} would tell" if teacher.more_units else ""
    if not teacher.more_units and teacher.seed_half_width:
        more = "; more training seeds may tell"
    if teacher.ci_low is None:
        more = f": {_why_no_interval(teacher)}"
    elif not teacher.margin and not teacher.more_units:
        more = "; evaluation.margin says what loss would matter, and none is set"
    return "mixed", f"Cannot tell whether the student is worse than its teacher{beyond}{more}."


def _why_no_interval(difference: JudgedDifference) -> str:
    if difference.units < FEWEST_UNITS:
        return "there are too few independent units for an interval"
    return "the difference is the same in every unit, or few units hold most samples, which allows no interval"


def _beside_control(outcome: Outcome, model: str) -> JudgedDifference | None:
    """The model minus the first control."""
    return outcome.difference(model, outcome.controls[0]) if outcome.controls else None


def _no_better(outcome: Outcome, control: JudgedDifference, student: Score) -> str:
    teacher = _beside_control(outcome, TEACHER)
    if teacher is not None and not _is_better(teacher, student):
        return "This measures nothing: not even the teacher is certainly better than the control."
    if _gains(control, student)[1] < 0:
        return "The student does worse than the control."
    return "The student is not certainly better than the control."


def _numbers(outcome: Outcome, student: Score) -> str:
    parts = []
    for model in (STUDENT, TEACHER, *outcome.controls):
        score = outcome.first(model)
        if score is not None and score.value is not None:
            parts.append(f"{model} {with_unit(format_score(score).line, score.unit)}")
    units = f" of {student.units} unit{'' if student.units == 1 else 's'}" if student.units != student.n else ""
    text = f"{outcome.metric} on {student.n} sample{'' if student.n == 1 else 's'}{units}: {', '.join(parts)}."
    if isinstance(student, SeedScore) and student.spread is not None:
        deviation = with_unit(format_significant(student.spread, 2), student.unit)
        text += f" The student's is the mean of {len(student.seeds)} training seeds (standard deviation {deviation})."
    teacher = outcome.difference(STUDENT, TEACHER)
    if teacher is None or teacher.value is None:
        return text
    gap = Score(teacher.value, teacher.ci_low, teacher.ci_high, teacher.n, student.unit, None)
    margin = with_unit(f"{teacher.margin:g}", student.unit)
    number = teacher.describe(with_unit(format_score(gap).line, student.unit))
    return f"{text} Student minus teacher, paired: {number}; margin {margin}."


def _is_better(difference: JudgedDifference, score: Score) -> bool:
    """Whether the interval leaves no doubt that the first model is the better one."""
    return _gains(difference, score)[0] > 0


def _gains(difference: JudgedDifference, score: Score) -> tuple[float, float]:
    """The interval on a scale on which more is better; without an interval it holds every value."""
    if difference.ci_low is None or difference.ci_high is None:
        return float("-inf"), float("inf")
    sign = 1.0 if score.higher_is_better else -1.0
    low, high = sorted((sign * difference.ci_low, sign * difference.ci_high))
    return low, high
