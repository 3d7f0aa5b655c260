"""``kdkit export``: write a student for use elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kdkit_cli.commands import Command
from kdkit_cli.options import DomainFileOption, JsonOption, StudentArgument


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("export", cls=Command)(export)


def export(
    student: StudentArgument,
    form: Annotated[str, typer.Option("--format", help="onnx, torch-export or safetensors.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the files, new or empty.", show_default=False)],
    domain_file: DomainFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a student for use without kdkit, compared with it.

    kdkit export RUN --format onnx --out exported
    """
    from kdkit.api import export_student
    from kdkit_cli import console

    result = export_student(student, form, out, domain_file=domain_file, progress=console.RichProgress())
    if as_json:
        typer.echo(json.dumps(result.as_json()))
        return
    for path in result.files:
        agreement = result.agreement.get(path.name)
        text = f"differs from the student by at most {agreement.largest_difference:.1g}" if agreement else ""
        console.out.print(f"  {console.escape(str(path))}      {text}".rstrip())
