"""``kdkit export``: write a student for use elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdkit_cli.commands import Command
from kdkit_cli.options import DomainFileOption, JsonOption, StudentArgument
from kdkit_cli.out_option import out_folder
from kdkit_cli.session import current

if TYPE_CHECKING:
    from kdkit.contracts.metric import Score
    from kdkit.export.quantization import Loss


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("export", cls=Command)(export)


def export(
    student: StudentArgument,
    form: Annotated[str, typer.Option("--format", help="onnx, torch-export, safetensors or monai-bundle.")],
    out: Annotated[Path, out_folder("Folder for the files, new or empty.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Convolutions in 8 bits, calibrated on samples of the run (onnx).")
    ] = False,
    domain_file: DomainFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a student for use without kdkit, compared with it.

    kdkit export RUN --format onnx --out exported
    """
    from kdkit.api import export_student
    from kdkit.evaluation.numbers import format_score, with_unit
    from kdkit_cli import console

    result = export_student(student, form, out, int8=int8, domain_file=domain_file, progress=console.RichProgress())
    if as_json:
        current.write_json(result.as_json(), None)
        return
    for path in result.files:
        agreement = result.agreement.get(path.relative_to(result.folder).as_posix())
        text = f"differs from the student by at most {agreement.largest_difference:.1g}" if agreement else ""
        console.out.print(f"  {console.escape(str(path))}      {text}".rstrip())
    for name, loss in result.loss.items():
        scores = (loss.student, loss.int8, _change(loss))
        before, after, change = (with_unit(format_score(score).line, loss.student.unit) for score in scores)
        change = loss.difference.describe(change)
        console.out.print(f"  {name}: {before} → {after}, change {change}, {loss.difference.verdict}")


def _change(loss: "Loss") -> "Score":
    from kdkit.contracts.metric import Score

    change = loss.difference
    return Score(change.value, change.ci_low, change.ci_high, change.n, loss.student.unit, None)
