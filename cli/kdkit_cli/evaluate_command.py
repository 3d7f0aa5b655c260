"""``kdkit evaluate``: the scores of a run, or of its student on labelled data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdkit_cli.commands import OneDeviceCommand, hardware_options
from kdkit_cli.options import DomainFileOption, JsonOption, LayoutOption, StudentArgument, is_inside
from kdkit_cli.out_option import out_folder
from kdkit_cli.session import current

if TYPE_CHECKING:
    from rich.table import Table

    from kdkit.evaluation.scoring import ScoringResult


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("evaluate", cls=OneDeviceCommand)(evaluate)


def evaluate(
    student: StudentArgument,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder of labelled recordings; it is only read.", show_default=False),
    ] = None,
    layout: LayoutOption = "auto",
    split: Annotated[
        str | None, typer.Option("--split", help="Only this part of the data (test, ...).", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Option of the data's source (tracings=exact, ...); may be repeated."
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help="Metric to measure, or {name: METRIC, option: value}; may be repeated.  [default: the domain's]",
        ),
    ] = None,
    teacher: Annotated[
        bool,
        typer.Option("--teacher", help="Measure the domain's default teacher too, where the student is in no run."),
    ] = False,
    out: Annotated[
        Path | None,
        out_folder("Folder for scores, cases and a page with the worst ones."),
    ] = None,
    domain_file: DomainFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a student and its teacher on labelled data.

    kdkit evaluate RUN --data FOLDER

    Without --data: the scores that the run itself has measured; nothing is made.
    """
    if data is None:
        given = {"--split": split, "--set": settings, "--metric": metrics, "--teacher": teacher, "--out": out}
        for option, value in given.items():
            if value:
                raise typer.BadParameter("has a meaning only with --data", param_hint=option)
        _show_scores(student, as_json)
        return
    if out is not None and is_inside(out, data):
        raise typer.BadParameter(f"{out} lies in the data, where nothing is written", param_hint="--out")

    from kdkit import api
    from kdkit_cli import console

    current.keeps_work = True
    evaluation = api.evaluate(
        student,
        data,
        layout=layout,
        split=split,
        settings=settings or [],
        metrics=metrics or [],
        teacher=teacher,
        out=out,
        domain_file=domain_file,
        hardware=hardware_options(),
        progress=console.RichProgress(),
    )
    result = evaluation.result
    for remark in evaluation.notes:
        console.note(f"  {console.escape(remark)}")
    for _, reason in result.skipped:
        console.note(f"  skipped: {console.escape(reason)}")
    for about, sentences in result.doubts.items():
        for sentence in sentences:
            console.note(f"  doubtful ({about}): {console.escape(sentence)}")
    if as_json:
        current.write_json(evaluation.as_json())
        return
    console.out.print(_table(result))
    if remark := evaluation.facts["remark"]:
        console.out.print(f"  Read {console.escape(remark)}.")
    if result.unlabelled:
        console.out.print(f"  {result.unlabelled} samples have no label and were left out")
    for path in evaluation.files:
        console.out.print(f"  {console.escape(str(path))}")


def _show_scores(run: Path, as_json: bool) -> None:
    from kdkit.api import stored_scores
    from kdkit_cli import console
    from kdkit_cli.scores_table import scores_table

    result = stored_scores(run)
    if as_json:
        current.write_json(result.as_json())
    else:
        console.out.print(scores_table(result.scores))


def _table(result: "ScoringResult") -> "Table":
    """Models and groups down, metrics across; each with half the width of its 95 % interval, and n."""
    from rich.table import Table

    from kdkit_cli.scores_table import score_text

    names = result.metric_names()
    table = Table(padding=(0, 1))
    table.add_column("")
    table.add_column("")
    table.add_column("n", justify="right")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for model, groups in result.scores.items():
        for i, (group, scores) in enumerate(groups.items()):
            count = max(scores[name].n for name in names)
            table.add_row(
                "" if i else f"[bold]{model}[/]", group, str(count), *(score_text(scores[name]) for name in names)
            )
        table.add_section()
    units = next(iter(next(iter(result.scores.values())).values()))
    for name, column in zip(names, table.columns[3:], strict=True):
        column.header = f"{name} [dim]{units[name].unit}[/]".rstrip()
    return table
