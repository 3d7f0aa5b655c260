"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HARDWARE = "Hardware (passed to Lightning)"

DomainArgument = Annotated[
    str,
    typer.Argument(metavar="DOMAIN", help="Name of a domain (see kdkit plugins list), or a Python file with one."),
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
    typer.Option("--out", help="Folder of the run.  [default: runs/DOMAIN/NAME]", show_default=False),
]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Train and measure again, even if everything is whole.")]
AcceleratorOption = Annotated[
    str | None, typer.Option("--accelerator", help="cpu, gpu, ... or auto.", rich_help_panel=HARDWARE)
]
DevicesOption = Annotated[
    str | None, typer.Option("--devices", help="How many, or which (0,1), or auto.", rich_help_panel=HARDWARE)
]
NodesOption = Annotated[int | None, typer.Option("--num-nodes", help="Machines.", rich_help_panel=HARDWARE)]
StrategyOption = Annotated[
    str | None, typer.Option("--strategy", help="ddp, fsdp, ... or auto.", rich_help_panel=HARDWARE)
]
PrecisionOption = Annotated[
    str | None, typer.Option("--precision", help="32-true, bf16-mixed, ...", rich_help_panel=HARDWARE)
]


def hardware_settings(
    accelerator: str | None,
    devices: str | None,
    num_nodes: int | None,
    strategy: str | None,
    precision: str | None,
) -> list[str]:
    """The hardware options as settings of a recipe."""
    if devices and "," in devices:
        devices = f"[{devices.strip(',')}]"
    given = {
        "accelerator": accelerator,
        "devices": devices,
        "num_nodes": num_nodes,
        "strategy": strategy,
        "precision": precision,
    }
    return [f"trainer.{name}={value}" for name, value in given.items() if value is not None]


def inside(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder, or is the folder itself."""
    return path.resolve().is_relative_to(folder.resolve())
