"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from kdkit_cli.out_option import out_folder
from kdkit_cli.session import reserve_output

DomainArgument = Annotated[
    str,
    typer.Argument(metavar="DOMAIN", help="Name of a domain (see kdkit plugins list), or a Python file with one."),
]
StudentArgument = Annotated[
    Path, typer.Argument(metavar="RUN|STUDENT", help="Folder of a run, or of a student.", show_default=False)
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs instead of tables.", callback=reserve_output)
]
DomainFileOption = Annotated[
    Path | None,
    typer.Option("--domain-file", help="Python file of the student's domain, if it has one.", show_default=False),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="YAML recipe, laid over the domain's default.", show_default=False),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH.TO.KEY=VALUE", help="Change one option; may be repeated.", show_default=False
    ),
]
LayoutOption = Annotated[
    str, typer.Option("--layout", help="How the data lies in its folder, by a name that the domain knows.")
]
OutOption = Annotated[
    Path | None,
    out_folder("Folder of the run.  [default: runs/DOMAIN/NAME]"),
]
SeedsOption = Annotated[
    int | None,
    typer.Option(
        "--seeds", min=1, help="Students that differ in their training seed (training.seeds).", show_default=False
    ),
]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Train and measure again, even if everything is whole.")]


def seed_settings(seeds: int | None) -> list[str]:
    """The recipe's setting behind ``--seeds``."""
    return [] if seeds is None else [f"training.seeds={seeds}"]


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder, or is the folder itself."""
    return path.resolve().is_relative_to(folder.resolve())
