"""Rows of tables: ranges are kept, distributions and correlations are those of a file, and bad files are named."""

import numpy as np
import pytest
from kdkit_cli.run_command import is_made_of_nothing
from kdkit_generators.tables import Tables
from pydantic import ValidationError
from scipy.stats import kstest, spearmanr

from kdkit import DataError


def draw(count=4000, seed=0, **options):
    return np.stack([sample.inputs for sample in Tables(Tables.Options(**options), seed).generate(range(count))])


@pytest.fixture(scope="module")
def rows():
    """A skewed column, one that falls with it, one of three grades, and one that is constant."""
    rng = np.random.default_rng(5)
    first = rng.lognormal(3, 0.7, 600)
    return np.stack([first, 90 / first * rng.lognormal(0, 0.2, 600), rng.integers(1, 4, 600), np.full(600, 7)], 1)


@pytest.fixture
def file(tmp_path, rows):
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", header="a,b,grade,constant", comments="", fmt="%.6f")
    return tmp_path / "rows.csv"


def test_ranges_are_filled_after_their_scales():
    table = draw(ranges={"age": (18, 20, "whole"), "dose": (0.01, 100, "log"), "weight": (-3, 5), "fixed": (2, 2)})
    assert table.dtype == np.float32
    assert {*table[:, 0]} == {18, 19, 20}
    assert np.mean(table[:, 0] == 18) == pytest.approx(1 / 3, abs=0.03)
    assert kstest(np.log10(table[:, 1]), "uniform", (-2, 4)).pvalue > 0.01
    assert kstest(table[:, 2], "uniform", (-3, 8)).pvalue > 0.01
    assert {*table[:, 3]} == {2}
    assert abs(spearmanr(table[:, 1], table[:, 2])[0]) < 0.06


def test_bounds_from_a_file_are_those_ranges(tmp_path):
    path = tmp_path / "bounds.csv"
    path.write_text("column;low;high;scale\nage;18;20;whole\ndose;0.01;100;log\nweight;-3;5;\n")
    ranges = {"age": (18, 20, "whole"), "dose": (0.01, 100, "log"), "weight": (-3, 5)}
    assert np.array_equal(draw(50, bounds=path), draw(50, ranges=ranges))


def test_of_ranges_alone_a_run_says_that_no_data_was_used(file):
    by_ranges = Tables(Tables.Options(ranges={"age": (18, 20, "whole")}))
    assert is_made_of_nothing(by_ranges) and not is_made_of_nothing(Tables(Tables.Options(rows=file)))


@pytest.mark.parametrize("method", ["copula", "marginals"])
def test_columns_are_distributed_as_those_of_the_rows(file, rows, method):
    table = draw(rows=file, method=method)
    for column in (0, 1):
        assert kstest(table[:, column], rows[:, column]).pvalue > 0.01
    assert {*table[:, 2]} == {1, 2, 3}
    assert {*table[:, 3]} == {7}
    correlation = spearmanr(rows[:, 0], rows[:, 1])[0] if method == "copula" else 0
    assert spearmanr(table[:, 0], table[:, 1])[0] == pytest.approx(correlation, abs=0.06)


def test_no_row_of_the_file_is_handed_on(file, rows):
    made = {row.tobytes() for row in draw(rows=file)[:, :2]}
    assert not made & {row.tobytes() for row in rows[:, :2].astype(np.float32)}


def test_of_rows_only_their_extremes_may_be_taken(file, rows):
    table = draw(rows=file, method="ranges")
    assert kstest(table[:, 0], "uniform", (rows[:, 0].min(), np.ptp(rows[:, 0]))).pvalue > 0.01
    assert {*table[:, 2]} == {1, 2, 3}


def test_columns_that_repeat_each_other_do_not_spoil_the_copula(tmp_path):
    lines = [f"{i % 7},{2 * (i % 7)},{i}" for i in range(40)]
    (tmp_path / "twice.csv").write_text("\n".join(["a,b,c", *lines]))
    table = draw(300, rows=tmp_path / "twice.csv")
    assert np.mean(np.abs(table[:, 1] - 2 * table[:, 0]) < 1e-3) > 0.97


def test_rows_with_empty_fields_are_left_out_and_counted(tmp_path):
    lines = [f"{i},{i}" for i in range(12)]
    (tmp_path / "gaps.csv").write_text("\n".join(["a,b", *lines, "900,", "  ,900"]))
    generator = Tables(Tables.Options(rows=tmp_path / "gaps.csv"))
    assert [defect.name for defect in generator.exclusions()] == ["line 14", "line 15"]
    assert max(sample.inputs.max() for sample in generator.generate(range(200))) <= 11


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "has 1 rows"),
        ("a,b\n" + "1,2\n" * 10 + "1,green\n", "line 12: b is 'green', no number"),
        ("a,b\n" + "1,2\n" * 10 + "1,2,3\n", "line 12: has 3 fields, and the header 2"),
        ("a,b\n" + "1,inf\n" * 10, "line 2: b is 'inf'"),
    ],
)
def test_a_file_that_is_no_table_of_numbers_is_named(tmp_path, text, message):
    (tmp_path / "odd.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        draw(1, rows=tmp_path / "odd.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,low,high\na,0,1\n", "has no column column; there are name, low, high"),
        ("column,low,high\n", "no line below its header"),
        ("column,low,high\na,2,1\n", "line 2: from 2 to 1 is no linear range"),
        ("column,low,high,scale\na,0,1,log\n", "from 0 to 1 is no log range"),
        ("column,low,high,scale\na,0,1,cubic\n", "the scale cubic is none of"),
        ("column,low,high\na,0,1\na,0,1\n", "a stands there twice"),
    ],
)
def test_bounds_that_are_none_are_named(tmp_path, text, message):
    (tmp_path / "odd.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        draw(1, bounds=tmp_path / "odd.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of ranges, bounds and rows"),
        ({"ranges": {}}, "at least one column"),
        ({"ranges": {"a": (0, 1)}, "method": "marginals"}, "rows beside method"),
        ({"ranges": {"a": (0, 1, "log")}}, "above 0 for log"),
        ({"ranges": {"a": (2, 1)}}, "a range that rises for a"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        Tables.Options(**options)
