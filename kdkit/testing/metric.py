"""The promises of a metric."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property, partial
from typing import Any

import numpy as np

from kdkit.contracts.metric import Metric, Score
from kdkit.sample import Sample
from kdkit.testing.component import ComponentContract
from kdkit.testing.promise import MissingExampleError, attempt, does_not_apply, require
from kdkit.testing.samples import array_difference

Case = tuple[np.ndarray, Sample]

_SPLIT = "a score must not depend on how samples were split over processes, or on their order"
_GATHER = "Gather in measure() what one sample gives and no more; make the number of all cases in summarize()."


class MetricContract(ComponentContract):
    """What a metric promises.

    ``cases``: three or more predictions, float32, each with its sample; without them, what the component's own
    ``example_cases`` gives::

        class TestAccuracy(MetricContract):
            component = Accuracy
            cases = [(np.eye(10, dtype=np.float32)[i], Sample(IMAGE, {"label": np.array(i % 2)})) for i in range(4)]
    """

    essential = ("test_unit_and_direction_are_declared", "test_cases_are_rows_of_numbers")
    cases: Any = None

    @cached_property
    def example_cases(self) -> list[Case]:
        """The cases that the metric measures."""
        cases = list(self.make().example_cases() if self.cases is None else self.cases)
        if not cases and self.component.reads_teacher:
            cases = self._cases_beside_a_teacher()
        if len(cases) < 3:
            raise MissingExampleError(
                f"needs three example cases; give them as {self.component.__name__}.example_cases, "
                "or name the metric in a domain's default recipe"
            )
        return cases

    def _cases_beside_a_teacher(self) -> list[Case]:
        """Predictions beside a made-up teacher's, of the first shape that the metric measures."""
        rng = np.random.default_rng(0)
        for shape in ((10,), (4, 8, 8), (8, 8), (16, 10), (1,), (4, 3, 8, 8)):
            cases = []
            for _ in range(4):
                logits = 3 * rng.normal(size=shape)
                teacher, prediction = (_probabilities(values) for values in (logits, logits + rng.normal(size=shape)))
                cases.append((prediction, Sample(np.zeros(shape, np.uint8), {"teacher": teacher})))
            with suppress(Exception):  # a metric need not expect every shape
                if all(self.make().measure(prediction, sample) for prediction, sample in cases):
                    return cases
        return []

    def check_examples(self) -> None:
        """As in the base, and there are cases."""
        super().check_examples()
        _ = self.example_cases

    def test_unit_and_direction_are_declared(self) -> None:
        """The unit is a text, and it is said whether higher is better."""
        unit = getattr(self.component, "unit", None)
        direction = getattr(self.component, "higher_is_better", "missing")
        require(
            isinstance(unit, str) and (direction is None or isinstance(direction, bool)),
            f"unit is {unit!r} and higher_is_better is {direction!r}",
            "a number without its unit and direction cannot be read; the report ranks by them",
            'Set unit ("" for a ratio) and higher_is_better (True, False, or None when zero is best).',
        )

    def test_cases_are_rows_of_numbers(self) -> None:
        """One sample gives tuples of finite numbers, all of the same length."""
        for place, (prediction, sample) in enumerate(self._copies()):
            metric = self.make()
            rows = [*metric.measure(prediction, sample), *metric.humans(sample)]
            lengths = {len(row) for row in rows}
            numbers = [value for row in rows for value in row]
            require(
                len(lengths) <= 1 and bool(np.isfinite(np.array(numbers, np.float64)).all()),
                f"measure() and humans() give {rows!r:.200} for case {place}",
                "cases are gathered as a table; one NaN in it makes the score of all samples NaN",
                "Return tuples of equal length; return [] when a sample cannot be measured.",
            )

    def test_something_is_measured(self) -> None:
        """The examples give a score."""
        score = self._whole
        require(
            score.n > 0,
            f"none of {len(self.example_cases)} example cases can be measured",
            "the other promises are tried with them",
            "Give examples with the truth that the metric compares with, or correct measure().",
        )

    def test_scores_lie_within_their_range(self) -> None:
        """The score, and that of each sample alone, lies within ``value_range``."""
        low, high = self.component.value_range
        require(
            low < high,
            f"value_range is ({low}, {high})",
            "no interval reaches beyond it",
            "Set value_range to the least and the greatest value there can be; (0, 1) for a share.",
        )
        for cases in ([case] for case in self._copies()):
            attempt(
                partial(self._gathered(cases).compute),
                "a score lies outside value_range",
                "no interval reaches beyond it",
                "Set value_range to the least and the greatest value there can be, or leave it out.",
            )

    def test_parts_add_up(self) -> None:
        """Gathered in parts and merged, the score is that of the whole."""
        for cut in range(1, len(self.example_cases)):
            cases = self._copies()
            first, second = self._gathered(cases[:cut]), self._gathered(cases[cut:])
            first.merge(second)
            self._same(first.compute(), f"merged from {cut} and {len(cases) - cut} samples")

    def test_order_does_not_matter(self) -> None:
        """The score is the same in any order of the samples."""
        self._same(self._gathered(self._copies()[::-1]).compute(), "in reverse order")

    def test_it_can_be_gathered_over_processes(self) -> None:
        """What was gathered can be pickled and merged elsewhere."""
        gathered = self._gathered(self._copies())
        remedy = "Keep only plain values and arrays on self."
        copy = attempt(
            lambda: pickle.loads(pickle.dumps(gathered)),  # noqa: S301
            "it cannot be pickled",
            "processes send each other what they have gathered",
            remedy,
        )
        self._same(copy.compute(), "after pickling", remedy)

    def test_what_it_measures_is_left_unchanged(self) -> None:
        """Neither prediction nor truth is written to."""
        for (prediction, sample), (prediction_copy, sample_copy) in zip(
            self.example_cases, self._copies(), strict=True
        ):
            self.make().measure(prediction_copy, sample_copy)
            change = array_difference(prediction, prediction_copy)
            for name, array in sample.truth.items():
                change = change or array_difference(array, sample_copy.truth[name])
            require(
                not change,
                f"measure() changes what it is given: {change}",
                "the next metric measures the same arrays",
                "Work on copies: x = x > 0.5, not x[x > 0.5] = 1.",
            )

    def test_the_score_is_plain(self) -> None:
        """The score holds plain numbers that JSON can hold."""
        score = self._gathered(self._copies()).compute()
        attempt(
            lambda: json.dumps(asdict(score), allow_nan=False),
            f"the score {score} is no JSON",
            "scores are kept as JSON",
            "Leave compute() as it is inherited; return a float from summarize().",
        )

    def test_nothing_measured_gives_none(self) -> None:
        """Without a single case the score is None, with n = 0."""
        score = attempt(
            lambda: self.make().compute(),
            "without samples compute() fails",
            "an evaluation without truth ends with no score, not with an error",
            "Leave compute() as it is inherited.",
        )
        require(
            score.value is None and score.n == 0,
            f"without samples the score is {score.value!r} over {score.n}",
            "a number that was not measured would be reported",
            "Leave compute() as it is inherited.",
        )

    def test_a_sample_without_truth_is_left_out(self) -> None:
        """A sample whose truth is not known is left out, or measured without it."""
        for prediction, sample in self._copies():
            bare = Sample(sample.inputs, {}, sample.info)
            for name, method in (
                ("measure", partial(self.make().measure, prediction)),
                ("humans", self.make().humans),
            ):
                attempt(
                    partial(method, bare),
                    f"without truth {name}() fails",
                    "recordings often have no label: the evaluation would break off at the first one",
                    f'Begin {name}() with: if "mask" not in sample.truth: return [].',
                )

    def test_half_precision_is_measured_alike(self) -> None:
        """Predictions in half precision are measured like the same numbers in single precision."""
        halves = [(prediction.astype(np.float16), sample) for prediction, sample in self._copies()]
        if not all(np.isfinite(prediction).all() for prediction, _ in halves):
            does_not_apply("the example predictions exceed half precision")
        singles = [
            (half.astype(np.float32), sample) for (half, _), (_, sample) in zip(halves, self._copies(), strict=True)
        ]
        why = "with mixed precision, predictions come in half precision, where sums overflow at 65504"
        remedy = "Begin with prediction.astype(np.float32), or compare before you add up."
        score = attempt(lambda: self._gathered(halves).compute(), "half precision cannot be measured", why, remedy)
        reference = self._gathered(singles).compute()
        require(
            _close(score.value, reference.value, 1e-3),
            f"in half precision the score is {score.value}, in single precision {reference.value}",
            why,
            remedy,
        )

    @cached_property
    def _whole(self) -> Score:
        """The score of all cases, gathered in their order."""
        return self._gathered(self._copies()).compute()

    def _same(self, score: Score, how: str, remedy: str = _GATHER) -> None:
        whole = self._whole
        require(
            score.n == whole.n and _close(score.value, whole.value, 1e-9),
            f"{how}, the score is {score.value} over {score.n}, not {whole.value} over {whole.n}",
            _SPLIT,
            remedy,
        )

    def _gathered(self, cases: Iterable[Case]) -> Metric:
        metric: Metric = self.make()
        for prediction, sample in cases:
            metric.update(prediction, sample)
        return metric

    def _copies(self) -> Sequence[Case]:
        """The cases anew, so that a metric that writes to them spoils no other promise."""
        return [
            (np.array(prediction), Sample(sample.inputs, _copied(sample.truth), sample.info))
            for prediction, sample in self.example_cases
        ]


def _probabilities(logits: np.ndarray) -> np.ndarray:
    """Of classes for a single axis, else each value's own: float32."""
    if logits.ndim == 1 and len(logits) > 1:
        exponentials = np.exp(logits - logits.max())
        return np.asarray(exponentials / exponentials.sum(), np.float32)
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def _copied(arrays: Any) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in arrays.items()}


def _close(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.isclose(one, other, rtol=tolerance, atol=tolerance))
