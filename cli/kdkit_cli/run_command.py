"""``kdkit run`` and the short forms of its first stages."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdkit_cli.commands import HardwareCommand, hardware_settings
from kdkit_cli.options import (
    ConfigOption,
    DomainArgument,
    FreshOption,
    JsonOption,
    OutOption,
    SeedsOption,
    SetOption,
    seed_settings,
)
from kdkit_cli.session import current

if TYPE_CHECKING:
    from kdkit.api import RunResult
    from kdkit.contracts.component import Component
    from kdkit.runs.run import Run

SHEET_SAMPLES = 16

OnlyOption = Annotated[
    str | None, typer.Option("--only", metavar="STAGE", help="This stage alone; what comes before must be whole.")
]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="STAGE", help="Stop after this stage.")]
ProfileOption = Annotated[
    bool, typer.Option("--profile", help="Write where the time went: profile.html in the run's folder.")
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="STAGE", help="Make this stage and what follows again.")
]
SheetOption = Annotated[
    Path | None, typer.Option("--sheet", help="Draw some samples into this PNG file.", show_default=False)
]

_STAGES = {
    "label": "Have the teacher label every sample.",
    "distill": "Train student and controls on the teacher's targets.",
}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("run", cls=HardwareCommand)(run)
    app.command("generate", cls=HardwareCommand)(generate)
    for stage, text in _STAGES.items():
        command = app.command(
            stage, cls=HardwareCommand, help=f"{text} Earlier stages that are not whole are run first."
        )
        command(_stage_command(stage))


def run(
    domain: DomainArgument,
    config: ConfigOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    seeds: SeedsOption = None,
    only: OnlyOption = None,
    from_: FromOption = None,
    until: UntilOption = None,
    fresh: FreshOption = False,
    profile: ProfileOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a domain from nothing to a report.

    The stages: generate, label, distill, predict, evaluate, report.

    What is whole is skipped, what was cut off goes on where it stopped.
    """
    if only and (from_ or until):
        raise typer.BadParameter("goes without --from and --until", param_hint="--only")
    first = "generate" if fresh and not (from_ or only) else from_
    if only and fresh:
        only, first, until = None, only, only
    execute(domain, config, [*(settings or []), *seed_settings(seeds)], out, first, until, only, as_json, profile)


def generate(
    domain: DomainArgument,
    config: ConfigOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    sheet: SheetOption = None,
) -> None:
    """Make the samples; with --sheet, draw some of them."""
    run = execute(domain, config, settings or [], out, None, "generate")
    if sheet is not None:
        _draw_sheet(run, sheet)


def _stage_command(stage: str):  # type: ignore[no-untyped-def]  # typer reads the inner function's own annotations
    def command(
        domain: DomainArgument,
        config: ConfigOption = None,
        settings: SetOption = None,
        out: OutOption = None,
        fresh: FreshOption = False,
    ) -> None:
        execute(domain, config, settings or [], out, stage if fresh else None, stage)

    return command


def execute(
    domain: str,
    config: Path | None,
    settings: list[str],
    out: Path | None,
    first: str | None,
    last: str | None,
    only: str | None = None,
    as_json: bool = False,
    profile: bool = False,
) -> "Run":
    """Prepare a run, bring it up to date, and show what came of it."""
    from kdkit.api import finish_run, prepare_run
    from kdkit.progress import Progress, Silence
    from kdkit.stages import ranks
    from kdkit_cli.console import RichProgress, escape, note

    start = time.monotonic()
    current.keeps_work = True
    main = ranks.rank() == 0
    progress: Progress = RichProgress() if main else Silence()
    pending_run = prepare_run(domain, config, [*settings, *hardware_settings()], out, progress)
    if main:
        note(f"[bold]kdkit run {pending_run.experiment.recipe.domain}[/]   {escape(str(pending_run.folder.path))}")
    result = finish_run(pending_run, first, last, only, profile=profile)
    if main and as_json:
        current.write_json(result.as_json())
    elif main:
        _conclude(pending_run, result, time.monotonic() - start)
    return pending_run


def _conclude(run: "Run", result: "RunResult", seconds: float) -> None:
    from kdkit.evaluation.outcome import read_outcome
    from kdkit.evaluation.verdict import verdict
    from kdkit.runs.folder import STUDENT
    from kdkit.stages.disjoint import count_recordings
    from kdkit_cli.console import escape, note, out
    from kdkit_cli.scores_table import scores_table

    if not result.stages:
        note(f"  everything is whole; nothing to do ({seconds:.1f} s). --fresh runs it again.")
    if result.report is None or (result.stages and "report" not in result.stages):
        return
    outcome = read_outcome(run)
    judgement = verdict(outcome)
    out.print(f"  [bold]{escape(judgement.headline)}[/]")
    out.print(f"  {escape(judgement.numbers)}")
    for about, sentences in outcome.doubts.items():
        for sentence in sentences:
            out.print(f"  doubtful ({about}): {escape(sentence)}")
    sources = {arm.model: arm.sample_source for arm in run.arms if arm.model in outcome.controls}
    out.print(scores_table(outcome.scores, outcome.facts, run.experiment.domain.item, sources))
    generators = (run.experiment.generator, run.experiment.evaluation_generator)
    claim = "No real data was used. " if all(map(is_made_of_nothing, generators)) else ""
    if run.experiment.learns_from_recordings:
        student = next(arm for arm in run.arms if arm.model == STUDENT)
        count = count_recordings(student)
        claim = f"{count} real recording{'s were' if count != 1 else ' was'} used in training. "
    out.print(f"  {claim}Report: {escape(str(result.report))}")


def is_made_of_nothing(generator: "Component | None") -> bool:
    """Whether samples are no recordings, and nothing that may have been learnt from some is needed for them."""
    from kdkit.contracts.component import paths_in
    from kdkit.plugins.calls import call

    if generator is None:
        return True
    is_synthetic: bool = getattr(generator, "synthetic", True)
    return is_synthetic and not call(generator.files) and not list(paths_in(generator.options.model_dump()))


def _draw_sheet(run: "Run", path: Path) -> None:
    import io

    from PIL import Image

    from kdkit.atomic import write_bytes
    from kdkit.plugins.calls import call
    from kdkit_cli.console import escape, out

    samples = run.evaluation.split.samples
    sheet = call(run.experiment.domain.sheet, [samples.sample(i) for i in range(min(SHEET_SAMPLES, samples.count))])
    png = io.BytesIO()
    Image.fromarray(sheet).save(png, "PNG")
    write_bytes(path, png.getvalue())
    out.print(f"  Sheet: {escape(str(path))}")
