"""``kdkit predict``: apply a trained student to files; or run the stage of that name."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from kdkit_cli import run_command
from kdkit_cli.options import (
    AcceleratorOption,
    ConfigOption,
    DevicesOption,
    DomainFileOption,
    FreshOption,
    NodesOption,
    PrecisionOption,
    SetOption,
    StrategyOption,
    hardware_settings,
)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("predict")(predict)


def predict(
    student: Annotated[str, typer.Argument(help="A run's folder, a student's folder; or DOMAIN, without inputs.")],
    inputs: Annotated[
        list[Path] | None, typer.Argument(help="Files, or folders of them.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the results.", show_default=False)] = None,
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
    """Apply a trained student to files.

    kdkit predict RUN clip.avi --out results

    Without inputs, kdkit predict DOMAIN runs that stage of the domain's pipeline.
    """
    hardware = hardware_settings(accelerator, devices, num_nodes, strategy, precision)
    if not inputs:
        if any((Path(student) / name).is_file() for name in ("card.json", "manifest.json")):
            raise typer.BadParameter(f"say which files {student} is to be applied to", param_hint="INPUTS")
        run_command.execute(
            student, config, [*(settings or []), *hardware], out, "predict" if fresh else None, "predict"
        )
        return
    if out is None:
        raise typer.BadParameter("say where the results go, for example --out results", param_hint="--out")
    only_stage = {
        "--config": config,
        "--set": settings,
        "--fresh": fresh,
        "--devices": devices,
        "--num-nodes": num_nodes,
        "--strategy": strategy,
    }
    for option, value in only_stage.items():
        if value:
            raise typer.BadParameter("has no meaning when files are predicted, on one device", param_hint=option)
    chosen = {"accelerator": accelerator, "precision": precision}
    _predict_files(Path(student), inputs, out, domain_file, {k: v for k, v in chosen.items() if v is not None})


def _predict_files(
    student_path: Path, inputs: list[Path], out: Path, domain_file: Path | None, chosen: dict[str, str]
) -> None:
    from kdkit.errors import DataError
    from kdkit.plugins.registry import discover
    from kdkit.plugins.single_file import load_domain_file
    from kdkit.recipe.schema import Hardware
    from kdkit.runs.student import read_student
    from kdkit_cli import console

    start = time.monotonic()
    registry = discover()
    if domain_file is not None:
        load_domain_file(registry, domain_file)
    student = read_student(registry, student_path)
    console.err.print("".join(f"  note: {console.escape(note)}\n" for note in student.notes), end="")

    from kdkit.engine.predict_files import SUMMARY, list_inputs, predict_files

    paths = list_inputs(student.domain, inputs)
    if not paths:
        kinds = ", ".join(student.domain.input_suffixes)
        raise DataError(f"no files to predict in {', '.join(map(str, inputs))}", f"Looked for {kinds}.")
    hardware = Hardware.model_validate(chosen | {"devices": 1})
    with console.RichProgress().work("predict", student.card["component"], len(paths), "files") as bar:
        outcome = predict_files(student, paths, out, hardware, bar)
    for path, reason in outcome.skipped:
        console.err.print(f"  skipped: {console.escape(str(path))} ({console.escape(reason)})")
    if not outcome.rows:
        raise DataError(f"none of {len(paths)} files could be read")
    console.out.print(
        f"  {_counted(len(outcome.rows), 'file')} · {_counted(outcome.items, student.domain.item)} · "
        f"{time.monotonic() - start:.1f} s      {console.escape(str(out / SUMMARY))}"
        + (f"      {_counted(len(outcome.skipped), 'file')} skipped" if outcome.skipped else "")
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
