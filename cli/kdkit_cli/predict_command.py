"""``kdkit predict``: apply a trained student to files."""

import re
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdkit_cli.commands import FilesCommand, hardware_options
from kdkit_cli.options import DomainFileOption, JsonOption, StudentArgument
from kdkit_cli.out_option import out_folder
from kdkit_cli.session import current

if TYPE_CHECKING:
    from kdkit.api import LoadedStudent
    from kdkit.engine.predict_files import FilesOutcome

# Of more files than these the terminal tells how many there are; table and page name each.
MOST_TOLD = 30


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("predict", cls=FilesCommand)(predict)


def predict(
    student: StudentArgument,
    inputs: Annotated[list[Path], typer.Argument(help="Files, or folders of them.", show_default=False)],
    out: Annotated[Path, out_folder("Folder for the results.")],
    overlay: Annotated[
        str | None,
        typer.Option("--overlay", help="Moving pictures of the results: mp4, gif, none.", show_default=False),
    ] = None,
    masks: Annotated[
        str | None,
        typer.Option("--masks", help="Files of the masks: npz, nifti, dicom-seg, none.", show_default=False),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another choice of the domain's output.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Processes that share the files.  [default: one for each core]",
            show_default=False,
        ),
    ] = None,
    is_stream: Annotated[
        bool, typer.Option("--stream", help="The one input is a growing file of raw frames, or - for standard input.")
    ] = False,
    frame: Annotated[str, typer.Option("--frame", help="With --stream: a frame's size, HEIGHTxWIDTH.")] = "112x112",
    frame_type: Annotated[str, typer.Option("--frame-type", help="With --stream: uint8, float32, ...")] = "uint8",
    patience: Annotated[
        float, typer.Option("--patience", min=0, help="With --stream: seconds after which a file has ended.")
    ] = 2.0,
    domain_file: DomainFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Apply a trained student to files.

    kdkit predict RUN clip.avi --out results

    Stopped and started again it goes on: what was predicted with the same student and options is kept.

    ffmpeg ... -f rawvideo -pix_fmt gray - | kdkit predict RUN - --stream --frame 112x112 --out results
    """
    from kdkit.api import load_student
    from kdkit.engine.prediction_log import SUMMARY
    from kdkit.errors import DataError
    from kdkit.pages.predictions import PAGE
    from kdkit_cli import console

    start = time.monotonic()
    current.keeps_work = not is_stream
    shape = _shape(frame)
    _check_inputs(inputs, is_stream)
    trained_student = load_student(student, domain_file)
    for remark in trained_student.notes:
        console.note(f"  note: {console.escape(remark)}")
    if is_stream:
        _predict_stream(trained_student, inputs[0], out, shape, frame_type, patience, as_json)
        return
    loaded = time.monotonic()
    outcome = trained_student.predict_files(
        inputs,
        out,
        outputs=_outputs(overlay, masks, settings or []),
        hardware={**hardware_options(), **({"workers": workers} if workers else {})},
        progress=console.RichProgress(),
    )
    end = time.monotonic()
    _tell_problems(outcome, trained_student.domain.flags)
    if outcome.result_folders:
        first, more = outcome.result_folders[0], ", ..." * (len(outcome.result_folders) > 1)
        folders = _count(len(outcome.result_folders), "folder")
        console.note(f"  left out: {folders} with results of kdkit predict ({console.escape(str(first))}{more})")
    total = len(outcome.rows) + len(outcome.skipped)
    if as_json:
        skipped = [{"file": str(path), "reason": reason} for path, reason in outcome.skipped]
        answer = {
            "files": [dict(r) for r in outcome.rows],
            "skipped": skipped,
            "result_folders": [str(folder) for folder in outcome.result_folders],
            "summary": str(out / SUMMARY) if outcome.rows else None,
        }
        current.write_json(answer, None)
    if not outcome.rows:
        raise DataError(
            f"none of {_count(total, 'file')} could be read", f"{out / SUMMARY} names each with the reason."
        )
    if not as_json:
        console.out.print(
            f"  {_count(len(outcome.rows), 'file')} · {_count(outcome.items, trained_student.domain.item)} · "
            f"{end - start:.1f} s in all, {end - loaded:.1f} s of it for the files      "
            f"{console.escape(str(out / SUMMARY))}"
            + (f"      {_count(len(outcome.skipped), 'file')} skipped" if outcome.skipped else "")
            + (f"      {_count(outcome.kept, 'file')} predicted before" if outcome.kept else "")
        )
        console.out.print(f"  {console.escape(str(out / PAGE))}      the most doubtful first")


def _tell_problems(outcome: "FilesOutcome", sentences: Mapping[str, str]) -> None:
    """Say of each file what is wrong with it; of many files only how many there are of each kind."""
    from kdkit_cli import console

    for path, reason in outcome.skipped[:MOST_TOLD]:
        console.note(f"  skipped: {console.escape(str(path))} ({console.escape(reason)})")
    if len(outcome.skipped) > MOST_TOLD:
        console.note(f"  skipped: {len(outcome.skipped) - MOST_TOLD} more, each with its reason in the table")
    flagged = [(str(row["file"]), flag) for row in outcome.rows for flag in str(row.get("flags") or "").split()]
    if len(flagged) > MOST_TOLD:
        counts = Counter(flag for _, flag in flagged).most_common()
        flagged = [(f"{count} files", flag) for flag, count in counts]
    for file, flag in flagged:
        console.note(f"  {console.escape(flag)}: {console.escape(file)} ({console.escape(sentences.get(flag, ''))})")


def _check_inputs(inputs: list[Path], is_stream: bool) -> None:
    """Raise :class:`kdkit.errors.UsageError` for inputs that are not there, before a student is loaded."""
    from kdkit.engine.inputs import refuse_missing
    from kdkit.errors import UsageError

    if is_stream and len(inputs) != 1:
        raise UsageError(f"--stream takes one input, not {len(inputs)}", "Name one file, or - for standard input.")
    if is_stream and str(inputs[0]) == "-":
        return
    refuse_missing(inputs)


def _predict_stream(
    student: "LoadedStudent",
    source: Path,
    out: Path,
    shape: list[int],
    dtype: str,
    patience: float,
    as_json: bool,
) -> None:
    from kdkit_cli import console

    count = student.predict_stream(source, out, shape, dtype=dtype, patience=patience)
    if as_json:
        current.write_json({"frames": count, "folder": str(out)}, None)
    else:
        console.out.print(f"  {_count(count, student.domain.item)}      {console.escape(str(out))}")


def _outputs(overlay: str | None, masks: str | None, settings: list[str]) -> dict[str, Any]:
    import yaml

    outputs: dict[str, Any] = {"overlay": overlay, "masks": masks}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise typer.BadParameter(f"expected KEY=VALUE, found {setting!r}", param_hint="--set")
        try:
            outputs[key.strip()] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise typer.BadParameter(f"{setting[:80]!r} holds no value", param_hint="--set") from error
    return {key: value for key, value in outputs.items() if value is not None}


def _shape(text: str) -> list[int]:
    from kdkit.errors import UsageError

    if re.fullmatch(r"[0-9]{1,6}(x[0-9]{1,6})+", text.lower()) is None:
        raise UsageError(f"--frame {text} is no size of a frame", "HEIGHTxWIDTH: 112x112, for example.")
    return [int(part) for part in text.lower().split("x")]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
