"""Commands with the options that they share, each declared once.

Every command takes the options of :data:`_SESSION`, which may also stand before its name. Those that run on a device
take :data:`_HARDWARE` as well, and read what the user chose with :func:`hardware_options`.
"""

import os
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from kdkit import launch
from kdkit_cli.session import current


def hardware_options() -> dict[str, Any]:
    """The hardware options that the user gave to the current command, by their names in a recipe."""
    return dict(current.hardware)


def hardware_settings() -> list[str]:
    """As :func:`hardware_options`, as settings of a recipe."""
    return [f"trainer.{name}={value}" for name, value in hardware_options().items()]


def _note_session(context: typer.Context, option: TyperOption, value: Any) -> None:
    if value and option.name is not None:
        setattr(current, option.name, Path(value) if option.name == "log_file" else value)
    if option.name == "verbose" and value:
        os.environ["KDKIT_VERBOSE"] = "1"  # processes that this one starts are to know it, too
    if option.name == "log_file" and value:
        try:
            current.log("kdkit started")
        except OSError as error:
            raise typer.BadParameter(
                f"{value} cannot be written: {error.strerror}", param_hint="--log-file"
            ) from error


def _note_hardware(context: typer.Context, option: TyperOption, value: Any) -> None:
    if value is None or option.name is None:
        return
    if option.name == "devices" and "," in value:
        value = f"[{value.strip(',')}]"
    current.hardware[option.name] = value


def _session_option(name: str, text: str, **arguments: Any) -> TyperOption:
    return TyperOption(
        param_decls=[f"--{name}"], help=text, expose_value=False, callback=_note_session, is_eager=True, **arguments
    )


def _hardware_option(name: str, text: str, kind: Any = str) -> TyperOption:
    return TyperOption(
        param_decls=[f"--{name}"],
        help=f"{text} (passed to Lightning)",
        expose_value=False,
        callback=_note_hardware,
        type=kind,
        default=None,
        show_default=False,
    )


_SESSION = [
    _session_option("verbose", "Show the warnings of the libraries, too.", is_flag=True, default=False),
    _session_option("quiet", "Show results and errors only.", is_flag=True, default=False),
    _session_option("traceback", "Show where in the code an error arose.", is_flag=True, default=False),
    _session_option(
        "log-file", "Append everything that is reported to this file.", type=str, default=None, show_default=False
    ),
]
_PLACE = [
    _hardware_option("accelerator", "cpu, gpu, ... or auto"),
    _hardware_option("precision", "32-true, bf16-mixed, ..."),
]
_HARDWARE = [
    *_PLACE,
    _hardware_option("devices", "How many, or which (0,1), or auto"),
    _hardware_option("num-nodes", "Machines", int),
    _hardware_option("strategy", "ddp, fsdp, ... or auto"),
]


class Command(TyperCommand):
    """A command that takes the session's options."""

    shared_options = _SESSION

    def get_params(self, ctx: Any) -> list[Any]:
        """The command's own parameters, then the shared ones, then ``--help``."""
        *parameters, help_option = super().get_params(ctx)
        return [*parameters, *self.shared_options, help_option]

    def invoke(self, ctx: Any) -> Any:
        """Run the command; in a terminal with a sign of life wherever it shows nothing else."""
        if not sys.stderr.isatty() or launch.rank() != 0:
            return super().invoke(ctx)
        from kdkit_cli.console import spinner

        with spinner.running(is_allowed=not current.quiet):
            return super().invoke(ctx)


class OneDeviceCommand(Command):
    """A command that runs on one device, of the user's choice."""

    shared_options = [*_PLACE, *_SESSION]  # noqa: RUF012


class FilesCommand(Command):
    """A command that shares files among devices."""

    shared_options = [  # noqa: RUF012
        *_PLACE,
        _hardware_option("devices", "How many, or which (0,1); on a processor, how many processes"),
        *_SESSION,
    ]


class HardwareCommand(Command):
    """A command that runs on as many devices and machines as the user says."""

    shared_options = [*_HARDWARE, *_SESSION]  # noqa: RUF012


class Group(TyperGroup):
    """A group that takes the session's options before the name of a command."""

    def get_params(self, ctx: Any) -> list[Any]:
        """As :meth:`Command.get_params`."""
        *parameters, help_option = super().get_params(ctx)
        return [*parameters, *_SESSION, help_option]
