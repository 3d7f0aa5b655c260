"""The rows of ``cases.csv``: what every number of a page was computed from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kdkit.contracts.metric import Metric
from kdkit.evaluation.metric_update import sample_value

CASES_SUFFIX = " cases"
"""After a metric's name: the column of its cases, where a value for each sample would not be all of them."""


class CaseTable:
    """One row for each sample and model: the value of each metric on the sample alone and, where there is more, its
    cases, from which :meth:`Metric.summarize` makes the scores.

    Cases are separated by semicolons, the values of one case by blanks; all numbers are written in full.
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.metrics = metrics
        self._rows: list[dict[str, Any]] = []
        self._with_cases: set[str] = set()

    def add(
        self,
        index: int,
        info: Mapping[str, Any],
        model: str,
        by_name: Mapping[str, np.ndarray | None],
        **columns: Any,
    ) -> None:
        """The row of a model on a sample; ``by_name``: its cases by each metric. ``columns``: what else it says."""
        unit = info.get("unit")
        row: dict[str, Any] = {
            "sample": info.get("name", index),
            "index": index,
            "unit": "" if unit is None else str(unit),
            "model": model,
            **columns,
        }
        row |= {name: sample_value(self.metrics[name], cases) for name, cases in by_name.items()}
        for name, cases in by_name.items():
            row[name + CASES_SUFFIX] = "" if cases is None else format_cases(cases)
            if cases is not None and (cases.shape != (1, 1) or row[name] != cases[0, 0]):
                self._with_cases.add(name)
        self._rows.append(row)

    def rows(self) -> list[dict[str, Any]]:
        """All rows, without the cases of metrics whose values are their cases."""
        dropped = {name + CASES_SUFFIX for name in self.metrics if name not in self._with_cases}
        return [{key: value for key, value in row.items() if key not in dropped} for row in self._rows]


def format_cases(cases: np.ndarray) -> str:
    """Cases, float64 (cases, tuple length), as a cell: ``0.93 1;0.95 1``."""
    return ";".join(" ".join(map(repr, case)) for case in cases.tolist())


def parse_cases(cell: str) -> np.ndarray:
    """The reverse of :func:`format_cases`."""
    return np.array([[float(value) for value in case.split()] for case in cell.split(";")], np.float64)
