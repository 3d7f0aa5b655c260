"""Rows of a table, from what is known of its columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import model_validator

from kdkit import ComponentOptions, Defect, Field, Generator, InputFile, Sample

if TYPE_CHECKING:
    from kdkit_generators.columns import RangeColumns, RowColumns

Bounds = tuple[float, float] | tuple[float, float, Literal["linear", "log", "whole"]]


class Tables(Generator):
    """Rows of numbers, float32 (columns,), drawn from ranges alone or after the distributions of a CSV file's rows.

    With ``ranges`` or ``bounds`` each column is drawn by itself: no row of real data is needed. With ``rows`` columns
    follow those of a file, each by itself (marginals) or together, through a Gaussian copula with the rows' rank
    correlations (Nelsen 2006, An Introduction to Copulas, 2nd ed., chapter 2; normal scores: van der Waerden 1952).
    Columns of at most 20 different values keep to these; of the others only extremes are handed on as they are.
    """

    class Options(ComponentOptions):
        ranges: dict[str, Bounds] | None = Field(
            None,
            description="Each column's lowest and highest value: {age: [18, 90, whole], dose: [0.1, 100, log]}; "
            "linear, log (even in its logarithm) or whole (whole numbers).",
        )
        bounds: InputFile | None = Field(
            None, description="The same as a CSV file with the columns column, low, high and, if need be, scale."
        )
        rows: InputFile | None = Field(
            None,
            description="CSV file of numbers with a header; rows with empty fields are left out.",
        )
        method: Literal["copula", "marginals", "ranges"] = Field(
            "copula",
            description="What is taken from rows: distributions and correlations, distributions alone, or no more "
            "than each column's lowest and highest value.",
        )

        @model_validator(mode="after")
        def _fits(self) -> Tables.Options:
            if sum(source is not None for source in (self.ranges, self.bounds, self.rows)) != 1:
                raise ValueError("one of ranges, bounds and rows")
            if self.rows is None and self.method != "copula":
                raise ValueError("rows beside method")
            for name, (low, high, *scale) in (self.ranges or {}).items():
                if not low <= high or (scale == ["log"] and low <= 0):
                    raise ValueError(f"a range that rises for {name}, and above 0 for log")
            if self.ranges == {}:
                raise ValueError("at least one column in ranges")
            return self

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        path = folder / "rows.csv"
        rng = np.random.default_rng(0)
        first = rng.normal(50, 10, 40)
        lines = (f"{x:.3f},{x / 10 + rng.normal():.3f},{rng.integers(0, 2)}" for x in first)
        path.write_text("\n".join(["weight,dose,treated", *lines]) + "\n", encoding="utf-8")
        return {"rows": path}

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        for index in indices:
            yield Sample(self._columns.draw(self.rng(index)), info={"name": f"row-{index:06d}"})

    def exclusions(self) -> Sequence[Defect]:
        """The rows of the file that have an empty field."""
        return self._rows[1]

    def remark(self) -> str:
        if self.options.rows is None:
            return "drawn from ranges alone"
        return f"drawn after the {self.options.method} of the rows in {self.options.rows.name}"

    @cached_property
    def _rows(self) -> tuple[np.ndarray, Sequence[Defect]]:
        from kdkit_generators.csv_file import read_rows

        return read_rows(self.options.rows) if self.options.rows is not None else (np.empty((0, 0)), [])

    @cached_property
    def _columns(self) -> RangeColumns | RowColumns:
        from kdkit_generators import columns
        from kdkit_generators.csv_file import read_bounds

        options = self.options
        if options.ranges is not None:
            return columns.from_ranges(options.ranges)
        if options.bounds is not None:
            return columns.from_ranges(read_bounds(options.bounds))
        rows = self._rows[0]
        if options.method == "ranges":
            return columns.from_extremes(rows)
        return columns.from_rows(rows, options.method == "copula")
