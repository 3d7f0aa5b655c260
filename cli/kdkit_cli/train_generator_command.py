"""``kdkit train-generator``: train a source of samples on data of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from kdkit_cli.commands import HardwareCommand, hardware_settings
from kdkit_cli.options import is_inside
from kdkit_cli.out_option import out_folder
from kdkit_cli.session import current


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("train-generator", cls=HardwareCommand)(train_generator)


def train_generator(
    generator: Annotated[str, typer.Argument(metavar="GENERATOR", help="Name of a generator that can be trained.")],
    data: Annotated[Path, typer.Option("--data", help="What to train on; it is only read.", show_default=False)],
    out: Annotated[
        Path | None,
        out_folder("Folder of the model.  [default: generators/GENERATOR]"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one option of the training; may be repeated.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything that is drawn at random.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, even if part of it is done.")] = False,
) -> None:
    """Train a generator on data of your own.

    kdkit train-generator echo-diffusion --data CLIPS

    A training that was cut off goes on where it stopped. kdkit plugins info GENERATOR tells the options.
    """
    folder = out or Path("generators") / generator
    if is_inside(folder, data):
        raise typer.BadParameter(f"{folder} lies in the data, where nothing is written", param_hint="--out")

    current.keeps_work = True
    from kdkit.plugins.registry import discover
    from kdkit.progress import Silence
    from kdkit.stages import ranks
    from kdkit.stages.generator_training import train_generator as train
    from kdkit_cli import console

    all_settings = [*(settings or []), *hardware_settings()]
    progress = Silence() if ranks.rank() else console.RichProgress()
    options = train(discover(), generator, data, folder, all_settings, seed, progress, fresh)
    if options is None:  # a process that trains along, and reports nothing
        return
    console.out.print(f"trained [bold]{console.escape(generator)}[/]   {console.escape(str(folder))}")
    arguments = " ".join(f"--set generator.{key}={value}" for key, value in options.items())
    console.out.print(console.escape(f"  kdkit run DOMAIN --set generator.name={generator} {arguments}"))
