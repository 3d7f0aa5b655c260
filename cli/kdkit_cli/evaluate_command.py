"""``kdkit evaluate``: measure a trained student on labelled data; or run the stage of that name."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from kdkit_cli import run_command
from kdkit_cli.check_command import JsonOption
from kdkit_cli.options import (
    AcceleratorOption,
    ConfigOption,
    DevicesOption,
    DomainFileOption,
    FreshOption,
    LayoutOption,
    NodesOption,
    PrecisionOption,
    SetOption,
    StrategyOption,
    hardware_settings,
    inside,
)

if TYPE_CHECKING:
    from rich.table import Table

    from kdkit.evaluation.models import LoadedTeacher
    from kdkit.evaluation.scoring import Measured
    from kdkit.plugins.registry import Registry
    from kdkit.runs.student import TrainedStudent


class _Wanted(NamedTuple):
    student: Path
    data: Path
    layout: str
    split: str | None
    metrics: list[str]
    teacher: bool
    domain_file: Path | None


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("evaluate")(evaluate)


def evaluate(
    student: Annotated[str, typer.Argument(help="A run's folder, a student's folder; or DOMAIN, without --data.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder of labelled recordings; it is only read.", show_default=False),
    ] = None,
    layout: LayoutOption = "auto",
    split: Annotated[
        str | None, typer.Option("--split", help="Only this part of the data (test, ...).", show_default=False)
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
    as_json: JsonOption = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for scores, cases and a page with the worst ones; the run's folder without --data."
        ),
    ] = None,
    domain_file: DomainFileOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    fresh: FreshOption = False,
    accelerator: AcceleratorOption = None,
    devices: DevicesOption = None,
    num_nodes: NodesOption = None,
    strategy: StrategyOption = None,
    precision: PrecisionOption = None,
) -> None:
    """Measure a student and its teacher on labelled data.

    kdkit evaluate RUN --data FOLDER

    Without --data, kdkit evaluate DOMAIN measures teacher, student and control of the domain's run; earlier stages
    that are not whole are run first.
    """
    hardware = hardware_settings(accelerator, devices, num_nodes, strategy, precision)
    if data is None:
        _refuse({"--split": split, "--metric": metrics, "--teacher": teacher, "--json": as_json}, "only with --data")
        if any((Path(student) / name).is_file() for name in ("card.json", "manifest.json")):
            raise typer.BadParameter(f"say which data {student} is to be measured on", param_hint="--data")
        first = "evaluate" if fresh else None
        run_command.execute(student, config, [*(settings or []), *hardware], out, first, "evaluate")
        return
    only_stage = {
        "--config": config,
        "--set": settings,
        "--fresh": fresh,
        "--devices": devices,
        "--num-nodes": num_nodes,
        "--strategy": strategy,
    }
    _refuse(only_stage, "only without --data: data is measured on one device")
    if out is not None and inside(out, data):
        raise typer.BadParameter(f"{out} lies in the data, where nothing is written", param_hint="--out")
    chosen = {"accelerator": accelerator, "precision": precision}
    _measure(
        _Wanted(Path(student), data, layout, split, metrics or [], teacher, domain_file),
        {key: value for key, value in chosen.items() if value is not None},
        as_json,
        out,
    )


def _refuse(given: dict[str, Any], when: str) -> None:
    for option, value in given.items():
        if value:
            raise typer.BadParameter(f"has a meaning {when}", param_hint=option)


def _measure(wanted: _Wanted, chosen: dict[str, str], as_json: bool, out: Path | None) -> None:
    from kdkit.contracts.vocabulary import summarize_dropped
    from kdkit.evaluation.models import chosen_metrics
    from kdkit.evaluation.scoring import measure
    from kdkit.pages.data import as_json as plain
    from kdkit.pages.data import show_worst, worst_rows, write_outcome
    from kdkit.plugins.registry import discover
    from kdkit.plugins.single_file import load_domain_file
    from kdkit.recipe.schema import Hardware
    from kdkit.runs.student import read_student
    from kdkit_cli import console

    registry = discover()
    if wanted.domain_file is not None:
        load_domain_file(registry, wanted.domain_file)
    student = read_student(registry, wanted.student)
    console.err.print("".join(f"  note: {console.escape(note)}\n" for note in student.notes), end="")
    metrics = chosen_metrics(registry, student, wanted.metrics)
    source = student.domain.source(wanted.data, wanted.layout, wanted.split)
    left_out = summarize_dropped(source.exclusions())
    if left_out:
        console.err.print(f"  {console.escape(left_out)}")
    teacher = _teacher(registry, wanted, student)
    networks, told = {"student": student.network}, {"student": student.card["component"]}
    if teacher and teacher.network is not None:
        networks, told = {"teacher": teacher.network} | networks, {"teacher": teacher.name} | told
    hardware = Hardware.model_validate(chosen | {"devices": 1})
    with (
        tempfile.TemporaryDirectory(prefix="kdkit-evaluate-") as scratch,
        console.RichProgress().work("evaluate", wanted.data.name, source.count() or 0, "samples") as bar,
    ):
        pictures = out is not None
        measured = measure(networks, student.domain, source, metrics, hardware, 0, Path(scratch), bar, pictures)
    # A page that is handed on says nothing of the folders of this machine.
    measured.skipped = [(name, reason.replace(f"{wanted.data}/", "")) for name, reason in measured.skipped]
    for _, reason in measured.skipped:
        console.err.print(f"  skipped: {console.escape(reason)}")
    facts = {
        "domain": student.card["domain"],
        "data": wanted.data.resolve().name,
        "split": wanted.split,
        "left_out": left_out,
        "models": told,
    }
    written: list[Path] = []
    if out is not None:
        first = next(iter(metrics))
        rows = worst_rows(measured, "student", first, metrics[first].higher_is_better)
        shown = show_worst(networks, student.domain, source, rows, first)
        written = write_outcome(out, facts, measured, metrics, shown)
    if as_json:
        typer.echo(json.dumps(plain(facts, measured), indent=2, allow_nan=False))
        return
    console.out.print(_table(measured))
    if measured.unlabelled:
        console.out.print(f"  {measured.unlabelled} samples have no label and were not asked about")
    for path in written:
        console.out.print(f"  {console.escape(str(path))}")


def _teacher(registry: Registry, wanted: _Wanted, student: TrainedStudent) -> LoadedTeacher | None:
    from kdkit.evaluation.models import default_teacher, teacher_of_run
    from kdkit_cli import console

    found = teacher_of_run(registry, wanted.student)
    if found is None and wanted.teacher:
        return default_teacher(registry, student.card["domain"])
    if found is not None and found.network is None:
        console.err.print(f"  the teacher of the run is left out: {console.escape(found.reason)}")
    return found


def _table(measured: Measured) -> Table:
    """Models and groups down, metrics across; each with half the width of its 95 % interval, and n."""
    from dataclasses import asdict

    from rich.table import Table

    from kdkit.pages.data import measured_names
    from kdkit_cli.scores_table import score_text

    names = measured_names(measured.scores)
    table = Table(padding=(0, 1))
    table.add_column("")
    table.add_column("")
    table.add_column("n", justify="right")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for model, groups in measured.scores.items():
        for i, (group, scores) in enumerate(groups.items()):
            count = max(scores[name].n for name in names)
            cells = (score_text(asdict(scores[name])) for name in names)
            table.add_row("" if i else f"[bold]{model}[/]", group, str(count), *cells)
        table.add_section()
    units = next(iter(next(iter(measured.scores.values())).values()))
    for name, column in zip(names, table.columns[3:], strict=True):
        column.header = f"{name} [dim]{units[name].unit}[/]".rstrip()
    return table
