"""``kdkit compare``: runs side by side, with the difference of their scores."""

from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdkit_cli.commands import Command
from kdkit_cli.options import DomainFileOption, JsonOption
from kdkit_cli.out_option import out_file
from kdkit_cli.session import current

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from kdkit.evaluation.comparison import Comparison
    from kdkit.evaluation.judgement import JudgedDifference


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("compare", cls=Command)(compare)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs; the others are compared with the first.")],
    as_json: JsonOption = False,
    out: Annotated[Path | None, out_file("HTML file for a page with all of it.")] = None,
    domain_file: DomainFileOption = None,
) -> None:
    """Set runs side by side: kdkit compare RUN RUN

    Each score of the students, the difference with its 95 % interval by a paired bootstrap over the samples both were
    measured on, and what differs in the recipes. Verdicts are adjusted for the number of differences (Holm).
    """
    from kdkit import api
    from kdkit.atomic import write_text
    from kdkit.pages.comparison import page
    from kdkit_cli import console

    comparison = api.compare(runs, domain_file, console.RichProgress())
    if out is not None:
        write_text(out, page(comparison))
    if as_json:
        current.write_json(comparison.as_json())
        return
    console.out.print(_scores(comparison))
    console.out.print(f"  Differences to {console.escape(comparison.names[0])}, with their 95 % intervals.")
    for remark in _remarks(comparison):
        console.out.print(f"  {console.escape(remark)}")
    if comparison.left_out:
        console.out.print(
            f"  Left out, as not every run was measured with them alike: {', '.join(comparison.left_out)}."
        )
    console.out.print(_recipes(comparison) if comparison.recipes else "  Their recipes do not differ.")
    if out is not None:
        console.out.print(f"  {console.escape(str(out))}")


def _remarks(comparison: "Comparison") -> "Iterator[str]":
    """What the claims hold for."""
    if comparison.family_size > 1:
        yield f"Claims are adjusted for {comparison.family_size} differences (Holm): they hold together with 95 %."
    if comparison.single_seeds:
        names = ", ".join(comparison.single_seeds)
        each = " each" if len(comparison.single_seeds) > 1 else ""
        yield f"One training seed{each}, so intervals do not speak of other seeds: {names}."


def _scores(comparison: "Comparison") -> "Table":
    """Metrics down, runs across, each but the first with its difference; then size and speed."""
    from rich.table import Table

    from kdkit.evaluation.numbers import format_count
    from kdkit_cli.console import escape
    from kdkit_cli.scores_table import score_text

    table = Table(padding=(0, 1))
    table.add_column("")
    for i, name in enumerate(comparison.names):
        table.add_column(escape(name), justify="right", overflow="fold")
        if i:
            table.add_column("difference", justify="right")
    for metric, scores in comparison.scores.items():
        cells = []
        for i, name in enumerate(comparison.names):
            cells.append(score_text(scores[name]))
            if i:
                cells.append(_difference(comparison.differences[metric][name]))
        table.add_row(f"{metric} [dim]{comparison.metrics[metric].unit}[/]".rstrip(), *cells)
    table.add_section()
    for label, key in (("weights", "weights"), (f"{comparison.item}s a second", "items_per_second")):
        cells = []
        for i, name in enumerate(comparison.names):
            value = comparison.facts[name].get(key)
            cells += [*([""] if i > 1 else []), format_count(round(value)) if value else "–"]
        table.add_row(label, *cells)
    return table


def _difference(difference: "JudgedDifference") -> str:
    from kdkit.evaluation.numbers import NOTHING, format_score

    numbers = format_score(difference)
    if numbers.value == NOTHING:
        return NOTHING
    value, low, high = (text if text.startswith("\u2212") else f"+{text}" for text in astuple(numbers))
    line = f"{value} ({'no interval' if numbers.low == NOTHING else f'{low} to {high}'})"
    text = f"{difference.describe(line)} {difference.verdict}"
    colour = {"equivalent or better": "green", "worse": "red"}.get(difference.verdict, "")
    return f"[{colour}]{text}[/]" if colour else text


def _recipes(comparison: "Comparison") -> "Table":
    from rich.table import Table

    from kdkit_cli.console import escape

    table = Table(title="What differs in their recipes", title_justify="left", padding=(0, 1))
    table.add_column("")
    for name in comparison.names:
        table.add_column(escape(name), overflow="fold")
    for path, values in comparison.recipes.items():
        table.add_row(path, *(escape(values[name]) or "–" for name in comparison.names))
    return table
