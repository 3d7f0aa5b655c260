"""``kdkit report``: write the report of a run's folder again."""

import typer

from kdkit_cli.commands import Command
from kdkit_cli.options import DomainFileOption, RunArgument


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("report", cls=Command)(report)


def report(run: RunArgument, domain_file: DomainFileOption = None) -> None:
    """Write the report of a run again, from what lies in its folder.

    Nothing is trained or measured.
    """
    from kdkit.api import write_report
    from kdkit_cli import console

    path = write_report(run, domain_file, console.RichProgress())
    console.out.print(f"  Report: {console.escape(str(path))}")
