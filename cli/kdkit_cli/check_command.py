"""``kdkit check``: look at a user's data, or at a teacher, before anything is run with it."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdkit_cli.commands import Command
from kdkit_cli.options import ConfigOption, DomainArgument, JsonOption, LayoutOption, SetOption, is_inside
from kdkit_cli.out_option import out_folder
from kdkit_cli.session import current

if TYPE_CHECKING:
    from kdkit.contracts.domain import Domain
    from kdkit.contracts.vocabulary import Figure, Inspection

SHOWN_DEFECTS = 5


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("check", cls=Command)(check)


def check(
    domain: DomainArgument,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of recordings; it is only read.", show_default=False)
    ] = None,
    layout: LayoutOption = "auto",
    teacher: Annotated[
        bool, typer.Option("--teacher", help="Have the teacher of the recipe predict a few samples.")
    ] = False,
    config: ConfigOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
    out: Annotated[
        Path | None,
        out_folder("Folder for what was found, and for pictures."),
    ] = None,
) -> None:
    """Check data or a teacher before anything is run.

    kdkit check DOMAIN --data FOLDER, or kdkit check DOMAIN --teacher

    With --data: what is there, and what is wrong with it; the exit code is 1 when a run would leave something out.
    With --teacher: whether its predictions are plausible, on the recipe's own samples or, with --data, on that data.
    """
    if data is None and not teacher:
        raise typer.BadParameter("say what to check: --data FOLDER, or --teacher", param_hint="--data / --teacher")
    if not teacher and (config or settings):
        raise typer.BadParameter("has a meaning only with --teacher", param_hint="--config / --set")
    if data is not None and out is not None and is_inside(out, data):
        raise typer.BadParameter(f"{out} lies in the data, where nothing is written", param_hint="--out")
    if teacher:
        _check_teacher(domain, config, settings or [], data, layout, as_json, out)
    elif data is not None:
        _check_data(domain, data, layout, as_json, out)


def _check_data(domain: str, data: Path, layout: str, as_json: bool, out: Path | None) -> None:
    from kdkit.atomic import write_json
    from kdkit.plugins.calls import call
    from kdkit_cli import console

    examiner, name = _domain(domain)
    inspection = call(examiner.check_data, data, layout, console.RichProgress())
    content = _as_json(inspection)
    if out is not None:
        write_json(out / "check.json", content)
        _write_pictures(out, inspection.pictures)
    if as_json:
        current.write_json(content)
    else:
        _print_inspection(name, data, inspection)
        if out is not None:
            console.out.print(f"  {console.escape(str(out / 'check.json'))}")
    if inspection.dropped:
        raise typer.Exit(1)


def _check_teacher(
    domain: str,
    config: Path | None,
    settings: list[str],
    data: Path | None,
    layout: str,
    as_json: bool,
    out: Path | None,
) -> None:
    from kdkit.atomic import write_bytes
    from kdkit.contracts.vocabulary import Case
    from kdkit.engine.inference import freeze
    from kdkit.errors import DataError
    from kdkit.evaluation.teacher_check import CHECKED_SAMPLES, check_teacher, first_samples
    from kdkit.pages.contact_sheet import contact_sheet
    from kdkit.plugins.calls import call
    from kdkit.plugins.registry import discover
    from kdkit.recipe.load import load_experiment
    from kdkit.runs.folder import home
    from kdkit_cli import console

    experiment = load_experiment(discover(), domain, config, settings)
    recipe, examiner = experiment.recipe, experiment.domain
    with console.RichProgress().work("check", recipe.teacher.name, 2, "steps") as bar:
        source = call(call(examiner.source, data, layout, None).unchecked) if data else experiment.evaluation_source
        samples = first_samples(source, CHECKED_SAMPLES, prefer_labelled=data is not None)
        if not samples:
            raise DataError(f"{data or source} holds no sample for the teacher to predict")
        bar.advance()
        examination = check_teacher(experiment, freeze(call(experiment.teacher.build)), samples)
        bar.advance()
    predictions = zip(samples, examination.predictions, strict=True)
    cases = [Case("median", 0.0, sample, {"teacher": prediction}) for sample, prediction in predictions]
    sheet = contact_sheet(figure for case in cases for figure in call(examiner.figures, [case]))
    picture = (out or home() / recipe.domain / "check") / "teacher.png" if sheet else None
    if sheet and picture:
        write_bytes(picture, sheet)
    if as_json:
        content: dict[str, Any] = {
            "teacher": recipe.teacher.name,
            "samples": len(samples),
            "verdict": examination.verdict,
            "doubts": examination.doubts,
        }
        current.write_json(content | {"picture": str(picture) if picture else None})
        raise typer.Exit(1 if examination.doubts else 0)
    console.out.print(f"  [bold]{console.escape(recipe.teacher.name)}[/]   {console.escape(examination.verdict)}")
    for doubt in examination.doubts:
        console.out.print(f"  doubtful: {console.escape(doubt)}")
    console.out.print(
        f"  checked on {len(samples)} samples" + (f"      {console.escape(str(picture))}" * bool(picture))
    )
    if examination.doubts:
        raise typer.Exit(1)


def _domain(domain: str) -> "tuple[Domain, str]":
    from kdkit.plugins.registry import discover
    from kdkit.plugins.single_file import domain_name

    registry = discover()
    name = domain_name(registry, domain)
    domain_class: Any = registry.component("domain", name)
    return domain_class(), name


def _as_json(inspection: "Inspection") -> dict[str, Any]:
    return {
        "used": inspection.used,
        "dropped": inspection.dropped,
        "facts": dict(inspection.facts),
        "tables": [asdict(table) for table in inspection.tables],
        "defects": [asdict(defect) for defect in inspection.defects],
    }


def _print_inspection(name: str, data: Path, inspection: "Inspection") -> None:
    from rich.table import Table

    from kdkit.contracts.vocabulary import summarize_defects
    from kdkit_cli import console

    out = console.out
    out.print(f"[bold]kdkit check {name}[/]   {console.escape(str(data))}")
    for key, value in inspection.facts.items():
        out.print(f"  {console.escape(key):<14} {console.escape(_format_value(value))}")
    for table in inspection.tables:
        rich_table = Table(title=table.title, title_justify="left", padding=(0, 1))
        for i, column in enumerate(table.columns):
            rich_table.add_column(column, justify="right" if i else "left")
        for row in table.rows:
            rich_table.add_row(*(console.escape(_format_value(value)) for value in row))
        out.print(rich_table)
    if inspection.defects:
        out.print(_defect_table(inspection))
    nothing = "" if inspection.dropped else "Nothing is left out. "
    out.print(f"  A run uses {inspection.used}. {nothing}{summarize_defects(inspection.defects)}".rstrip())


def _defect_table(inspection: "Inspection") -> Any:
    from rich.table import Table

    from kdkit_cli import console

    table = Table(title="What is wrong", title_justify="left", padding=(0, 1))
    for column, justify in (("fault", "left"), ("how many", "right"), ("left out", "right"), ("for example", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    counts = Counter(defect.kind for defect in inspection.defects)
    for kind, count in counts.most_common():
        defects = [defect for defect in inspection.defects if defect.kind == kind]
        examples = "\n".join(f"{defect.name}: {defect.detail}" for defect in defects[:SHOWN_DEFECTS])
        more = f"\n… {count - SHOWN_DEFECTS} more (--json lists all)" if count > SHOWN_DEFECTS else ""
        dropped = len({defect.name for defect in defects if defect.dropped})
        table.add_row(kind, str(count), str(dropped or "–"), console.escape(examples + more))
    return table


def _write_pictures(out: Path, pictures: Any) -> None:
    from kdkit.atomic import write_bytes

    for number, picture in enumerate(pictures, 1):
        write_bytes(out / f"picture-{number}.{_suffix(picture)}", picture.data)


def _suffix(picture: "Figure") -> str:
    return picture.media_type.partition("/")[2].partition("+")[0]


def _format_value(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
