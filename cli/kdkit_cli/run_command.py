"""``kdkit run`` and the commands of its single stages."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdkit_cli.options import (
    AcceleratorOption,
    ConfigOption,
    DevicesOption,
    DomainArgument,
    FreshOption,
    NodesOption,
    OutOption,
    PrecisionOption,
    SetOption,
    StrategyOption,
    hardware_settings,
)

if TYPE_CHECKING:
    from kdkit.runs.run import Run

SHEET_SAMPLES = 16

UntilOption = Annotated[str | None, typer.Option("--until", metavar="STAGE", help="Stop after this stage.")]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="STAGE", help="Make this stage and what follows anew.")
]
SheetOption = Annotated[
    Path | None, typer.Option("--sheet", help="Draw some samples into this PNG file.", show_default=False)
]

_HELP = {
    "label": "Have the teacher answer every sample.",
    "distill": "Train student and control on the teacher's answers.",
}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("run")(run)
    app.command("generate")(generate)
    for stage, text in _HELP.items():
        app.command(stage, help=f"{text} Earlier stages that are not whole are run first.")(_stage_command(stage))


def run(
    domain: DomainArgument,
    config: ConfigOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    from_: FromOption = None,
    until: UntilOption = None,
    fresh: FreshOption = False,
    accelerator: AcceleratorOption = None,
    devices: DevicesOption = None,
    num_nodes: NodesOption = None,
    strategy: StrategyOption = None,
    precision: PrecisionOption = None,
) -> None:
    """Run a domain from nothing to a report.

    The stages: generate, label, distill, predict, evaluate, report.

    What is whole is skipped, what was cut off goes on where it stopped.
    """
    hardware = hardware_settings(accelerator, devices, num_nodes, strategy, precision)
    first = "generate" if fresh and from_ is None else from_
    execute(domain, config, [*(settings or []), *hardware], out, first, until)


def generate(
    domain: DomainArgument,
    config: ConfigOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    sheet: SheetOption = None,
) -> None:
    """Make the samples; with --sheet, draw some of them."""
    finished = execute(domain, config, settings or [], out, None, "generate")
    if sheet is not None:
        _draw_sheet(finished, sheet)


def _stage_command(stage: str):  # type: ignore[no-untyped-def]  # typer reads the inner function's own annotations
    def command(
        domain: DomainArgument,
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
        hardware = hardware_settings(accelerator, devices, num_nodes, strategy, precision)
        execute(domain, config, [*(settings or []), *hardware], out, stage if fresh else None, stage)

    return command


def execute(
    domain: str,
    config: Path | None,
    settings: list[str],
    out: Path | None,
    first: str | None,
    last: str | None,
) -> Run:
    """Prepare a run, bring it up to date, and show what came of it."""
    from kdkit.plugins.registry import discover
    from kdkit.progress import Progress, Silence
    from kdkit.recipe.load import load_experiment
    from kdkit.runs.folder import choose_folder
    from kdkit.runs.run import Run
    from kdkit.stages import ranks
    from kdkit.stages.pipeline import run_stages
    from kdkit_cli.console import RichProgress, err, escape

    start = time.monotonic()
    experiment = load_experiment(discover(), domain, config, settings)
    root = Path(os.environ.get("KDKIT_HOME") or "runs")
    name = experiment.recipe.domain
    folder = choose_folder(root, name, experiment.identity(), out)
    main = ranks.rank() == 0
    progress: Progress = RichProgress() if main else Silence()
    prepared = Run(experiment, folder, root / "store", progress)
    if main:
        err.print(f"[bold]kdkit run {name}[/]   {escape(str(folder.path))}")
    done = run_stages(prepared, first, last)
    if main:
        _conclude(prepared, done, time.monotonic() - start)
    return prepared


def _conclude(run: Run, done: list[str], seconds: float) -> None:
    from kdkit_cli.console import err, escape, out
    from kdkit_cli.scores_table import scores_table

    if not done:
        err.print(f"  everything is whole; nothing to do ({seconds:.1f} s). --fresh runs it again.")
    if run.folder.report_file.is_file() and (not done or "report" in done):
        scores = json.loads(run.folder.scores_file.read_text(encoding="utf-8"))
        scores.pop("differences", None)
        models = json.loads(run.folder.models_file.read_text(encoding="utf-8"))
        out.print(scores_table(scores, models, run.experiment.domain.item))
        generators = (run.experiment.generator, run.experiment.evaluation_generator)
        synthetic = all(generator is None or generator.synthetic for generator in generators)
        claim = "No real data was used. " if synthetic else ""
        out.print(f"  {claim}Report: {escape(str(run.folder.report_file))}")


def _draw_sheet(run: Run, path: Path) -> None:
    import io

    from PIL import Image

    from kdkit.atomic import write_bytes
    from kdkit_cli.console import escape, out

    samples = run.evaluation.split.samples
    sheet = run.experiment.domain.sheet([samples.sample(i) for i in range(min(SHEET_SAMPLES, samples.count))])
    png = io.BytesIO()
    Image.fromarray(sheet).save(png, "PNG")
    write_bytes(path, png.getvalue())
    out.print(f"  Sheet: {escape(str(path))}")
