"""``kdkit sweep``: the runs of every combination of some values of a recipe, and one page on all of them."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdkit_cli.commands import Command
from kdkit_cli.options import ConfigOption, DomainArgument, SeedsOption, SetOption, seed_settings
from kdkit_cli.out_option import out_folder
from kdkit_cli.session import current

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from kdkit.sweep.plan import Sweep
    from kdkit.sweep.results import Result

# More columns than these do not fit into a terminal of 80 characters.
SHOWN_METRICS = 2
# A page takes seconds to draw: runs that were whole already and only pass by do not each draw it anew.
REFRESH_SECONDS = 20.0


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("sweep", cls=Command)(sweep)


def sweep(
    domain: DomainArgument,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            "--grid",
            metavar="PATH.TO.KEY=VALUE,VALUE",
            help="Values of one option; repeated, all combinations are run.  [default: the domain's own grid]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        out_folder("Folder of the sweep.  [default: runs/DOMAIN/sweep-NAME]"),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Runs at once, each with one thread if several.")] = 1,
    control: Annotated[bool, typer.Option("--control", help="Train and measure each point's controls, too.")] = False,
    config: ConfigOption = None,
    settings: SetOption = None,
    seeds: SeedsOption = None,
) -> None:
    """Run every combination of some values.

    kdkit sweep DOMAIN --grid student.layers=1,2,3

    Samples and the teacher's targets are made once. Runs that are whole are skipped; one that fails is reported, and
    the others go on. The results, written anew while runs end: sweep.csv, and sweep.html with the score against
    weights, speed and memory.
    """
    from kdkit.plugins.registry import discover
    from kdkit.runs.folder import home
    from kdkit.sweep.execution import run_points
    from kdkit.sweep.plan import choose_sweep_folder, plan
    from kdkit.sweep.results import read_result, write_page, write_table
    from kdkit_cli import console

    current.keeps_work = True
    sweep_plan = plan(discover(), domain, grid or [], config, [*(settings or []), *seed_settings(seeds)], control)
    root = home()
    folder = choose_sweep_folder(root, sweep_plan, out)
    count = len(sweep_plan.points)
    console.note(f"[bold]kdkit sweep {sweep_plan.domain}[/]   {count} points   {console.escape(str(folder))}")
    failures: dict[int, str] = {}

    def write() -> "tuple[list[Result], Path, Path]":
        """What is known so far, as a table and as a page."""
        results = [read_result(folder, point, failures.get(id(point))) for point in sweep_plan.points]
        return results, write_table(folder, sweep_plan, results), write_page(folder, sweep_plan, results, jobs)

    last_write = time.monotonic()
    outcomes = run_points(sweep_plan.points, folder, root / "store", jobs, console.RichProgress())
    try:
        for done, (point, failure) in enumerate(outcomes, 1):
            failures[id(point)] = failure
            status = f"[bold red]failed:[/] {console.escape(failure)}" if failure else "done"
            console.note(f"[bold]{done}/{count}[/] {console.escape(point.label)}   {status}")
            if done < count and time.monotonic() - last_write > REFRESH_SECONDS:
                write()
                last_write = time.monotonic()
    except KeyboardInterrupt:
        if failures:
            write()
        raise
    results, *paths = write()
    console.out.print(_table(sweep_plan, results))
    for path in paths:
        console.out.print(f"  {console.escape(str(path))}")
    if failure_count := sum(bool(failure) for failure in failures.values()):
        console.note(f"  {failure_count} of {count} points failed; the same command tries them again.")
        raise typer.Exit(1)


def _table(sweep_plan: "Sweep", results: "Sequence[Result]") -> "Table":
    """A row for each point: the values that tell it apart, its first scores, size and speed; sweep.csv has all."""
    from rich.table import Table

    from kdkit.evaluation.numbers import format_count
    from kdkit_cli.console import escape
    from kdkit_cli.scores_table import score_text

    names = list(dict.fromkeys(name for result in results for name in result.scores))[:SHOWN_METRICS]
    table = Table(padding=(0, 1))
    table.add_column("")
    item = sweep_plan.points[0].experiment.domain.item
    for name in (*names, "weights", f"{item}s a second"):
        table.add_column(name, justify="right", overflow="fold")
    for result in results:
        if result.failure:
            table.add_row(escape(result.point.label), "[red]failed[/]")
            continue
        scores = (score_text(result.scores[name]) if name in result.scores else "–" for name in names)
        weights, speed = result.facts["weights"], result.facts["items_per_second"]
        table.add_row(
            escape(result.point.label),
            *scores,
            format_count(round(weights)) if weights else "–",
            f"{speed:.0f}" if speed else "–",
        )
    return table
