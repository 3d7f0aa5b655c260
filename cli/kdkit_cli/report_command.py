"""``kdkit report``: write the report of a run's folder anew; or run the stage of that name."""

from __future__ import annotations

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
    OutOption,
    PrecisionOption,
    SetOption,
    StrategyOption,
    hardware_settings,
)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("report")(report)


def report(
    run: Annotated[str, typer.Argument(help="A run's folder, whose report is written anew; or DOMAIN.")],
    domain_file: DomainFileOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    fresh: FreshOption = False,
    accelerator: AcceleratorOption = None,
    devices: DevicesOption = None,
    num_nodes: NodesOption = None,
    strategy: StrategyOption = None,
    precision: PrecisionOption = None,
) -> None:
    """Write the report of a run anew: kdkit report RUN

    kdkit report DOMAIN is the stage of the domain's run; earlier stages that are not whole are run first.
    """
    from kdkit.runs.stored import is_run_folder

    hardware = hardware_settings(accelerator, devices, num_nodes, strategy, precision)
    if not is_run_folder(Path(run)):
        if domain_file is not None:
            raise typer.BadParameter("has a meaning only with a run's folder", param_hint="--domain-file")
        first = "report" if fresh else None
        run_command.execute(run, config, [*(settings or []), *hardware], out, first, "report")
        return
    only_stage = {
        "--config": config,
        "--set": settings,
        "--out": out,
        "--fresh": fresh,
        "--accelerator / --devices / --num-nodes / --strategy / --precision": hardware,
    }
    for option, value in only_stage.items():
        if value:
            told = "has no meaning with a run's folder: nothing is made anew but the page"
            raise typer.BadParameter(told, param_hint=option)
    _redo(Path(run), domain_file)


def _redo(path: Path, domain_file: Path | None) -> None:
    from kdkit.plugins.registry import discover
    from kdkit.plugins.single_file import load_domain_file
    from kdkit.runs.stored import open_run
    from kdkit.stages import evaluate
    from kdkit.stages import report as stage
    from kdkit.stages.pipeline import check_whole
    from kdkit_cli import console

    registry = discover()
    if domain_file is not None:
        load_domain_file(registry, domain_file)
    run = open_run(registry, path, console.RichProgress())
    check_whole(run, evaluate.NAME)
    stage.execute(run)
    console.out.print(f"  Report: {console.escape(str(run.folder.report_file))}")
