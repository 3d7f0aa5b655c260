"""The command ``kdkit``: its commands, and what happens to errors."""

import atexit
import gc
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer

import kdkit
from kdkit import exits, launch, stopping
from kdkit.errors import KdkitError
from kdkit.spinning import limit_spinning
from kdkit_cli import ending
from kdkit_cli.commands import Group
from kdkit_cli.session import current, reset

# The commands by the modules that hold them, as the help lists them.
COMMANDS = {
    "run": "run_command",
    "generate": "run_command",
    "label": "run_command",
    "distill": "run_command",
    "predict": "predict_command",
    "export": "export_command",
    "evaluate": "evaluate_command",
    "report": "report_command",
    "check": "check_command",
    "sweep": "sweep_command",
    "compare": "compare_command",
    "serve-teacher": "serve_command",
    "train-generator": "train_generator_command",
    "config": "config_command",
    "plugins": "plugins_command",
}


def build_app(command: str | None = None) -> typer.Typer:
    """The application with one command, and those that share its module, or with all of them.

    Building all of them is a good part of what a short command takes, so the one that is called for is built alone.
    """
    app = typer.Typer(
        name="kdkit",
        cls=Group,
        help="Distil a trained model into a small one without any data.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        # Help in panels would cost a tenth of a second: typer imports a Markdown renderer for it.
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for module in dict.fromkeys(COMMANDS.values()) if command is None else [COMMANDS[command]]:
        import_module(f"kdkit_cli.{module}").register(app)
    return app


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"kdkit {kdkit.__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Distil a trained model into a small one without any data."""


def main() -> None:
    """The console script."""
    limit_spinning()
    ending.watch()
    try:
        with exits.report_exits(_tell_exit):
            _main()
    except SystemExit as end:
        ending.note_code(end)
        raise


def _main() -> None:
    reset()
    atexit.register(gc.freeze)  # the last search for garbage would walk through all of torch, for one or two seconds
    _print_whatever_can_be_printed()
    try:
        stopping.handle_signals()
        launch.follow_launcher()
        build_app(next((name for name in sys.argv[1:2] if name in COMMANDS), None))()
    except KdkitError as error:
        _exit_with_error(error, error.message, error.remedy, error.exit_code)
    except KeyboardInterrupt:
        _exit_stopped()
    except SystemExit as end:
        if end.code == stopping.INTERRUPTED:  # Typer ends so when it is interrupted, without a word
            _exit_stopped()
        raise
    except OSError as error:
        # What a library could not read or write (a full disk in the middle of a checkpoint, say).
        where = f": {error.filename}" if error.filename else ""
        _exit_with_error(error, f"{error.strerror or error}{where}", "What was made so far is kept.", 1)
    except BaseException as error:  # a library in Rust panics with what is no Exception
        _exit_with_fault(error)


def _print_whatever_can_be_printed() -> None:
    """A terminal or file of another encoding than UTF-8 lacks dashes and lines: a question mark ends no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _exit_with_fault(error: BaseException) -> NoReturn:
    """Of an error that nobody has named: the component that it came from, if any, is."""
    from kdkit.plugins.calls import blame

    known = blame(error)
    if known is not None:
        _exit_with_error(error, known.message, known.remedy, known.exit_code)
    _exit_with_error(
        error, _describe(error), "That should not happen; --traceback shows where in the code it did.", 1
    )


def _tell_exit(error: exits.EndedError) -> int:
    """Say which component's library ends this process, and with which code it ends instead."""
    try:
        _exit_with_fault(error)
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        return end.code if isinstance(end.code, int) else 1


def _exit_with_error(error: BaseException, message: str, remedy: str, code: int) -> NoReturn:
    if current.traceback:
        import traceback

        text = "".join(traceback.format_exception(error))
        current.log(text)
        sys.stderr.write(text)
    _print(message, remedy)
    sys.exit(code)


def _describe(error: BaseException) -> str:
    """The error with the place where it arose, in one line."""
    from traceback import extract_tb

    place = extract_tb(error.__traceback__)[-1]
    from kdkit.plugins.guard import message_of

    text = " ".join(message_of(error).split())
    return f"{type(error).__name__}: {text} ({place.filename}, line {place.lineno})"


def _exit_stopped() -> NoReturn:
    if launch.place().rank != 0:  # one message is enough, and the first process has it
        sys.exit(stopping.exit_code())
    goes_on = "What was made so far is kept. Run the same command again: it goes on where it stopped."
    _print("stopped", goes_on if current.keeps_work else "Nothing was left half-written. Run the same command again.")
    sys.exit(stopping.exit_code())


def _print(message: str, remedy: str) -> None:
    if launch.is_reported():  # by the first process, to which this one has told it
        return
    from kdkit_cli.console import print_error

    print_error(message, remedy)


if __name__ == "__main__":
    main()
