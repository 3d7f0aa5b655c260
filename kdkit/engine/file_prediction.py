"""One file from reading to its results; in a process of its own where several share the files.

Lightning is not imported here: a process that predicts files on a processor can do without, and starts sooner.
"""

from __future__ import annotations

import mimetypes
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdkit.archives import check_archive, local_file
from kdkit.contracts.domain import Domain
from kdkit.contracts.vocabulary import Preview
from kdkit.engine.inference import infer_logits
from kdkit.engine.inputs import is_archive
from kdkit.engine.prediction_log import ELSEWHERE, PREVIEWS, FileResult, digest_of, encode_curve, stamp_of
from kdkit.errors import DataError, KdkitError, is_disk_full, unwritable
from kdkit.limits import check_ends
from kdkit.owner import tag
from kdkit.plugins.calls import check_answer, place_of, title_of
from kdkit.plugins.guard import describe_error, message_of, pass_on_interruption
from kdkit.plugins.registry import discover
from kdkit.plugins.single_file import load_domain_file
from kdkit.runs.student import TrainedStudent, read_student
from kdkit.sample import Sample
from kdkit.store.targets import activate

# A sample, or the reason why it could not be read.
SampleOrReason = Sample | str
# Begins the name of the folder in which a file's results lie until all of them are whole; its process's tag follows.
UNFINISHED = ".unfinished-"

# What a process needs to load the student again: its folder, its domain's file, the domain's options.
StudentAddress = tuple[Path, Path | None, tuple[tuple[str, Any], ...]]
# Files, each with the stem of its results.
Batch = Sequence[tuple[Path, Path]]


def address_of(student: TrainedStudent) -> StudentAddress:
    """How another process finds the student."""
    return student.folder, student.domain_file, tuple(student.domain.options.model_dump(mode="json").items())


def predict_batch(address: StudentAddress, batch: Batch) -> list[FileResult]:
    """Read, predict and write files on the processor, with a student that this process loads once."""
    student = load_from(address)
    return [predict_with(student, path, stem) for path, stem in batch]


def predict_with(student: TrainedStudent, path: Path, stem: Path) -> FileResult:
    """Read, predict and write one file on the processor."""
    with open_sample(student.domain, path) as sample:
        prediction = predict_sample(student, sample, torch.device("cpu"))
        return write_result(student.domain, path, sample, prediction, stem)


@lru_cache(maxsize=1)
def load_from(address: StudentAddress) -> TrainedStudent:
    """The student at an address."""
    folder, domain_file, options = address
    registry = discover()
    if domain_file:
        load_domain_file(registry, domain_file)
    return read_student(registry, folder).with_outputs(dict(options))


@contextmanager
def open_sample(domain: Domain, path: Path) -> Iterator[SampleOrReason]:
    """The file's sample, or the reason why it cannot be read. Within, a file in an archive stays unpacked."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(local_file(path))
            if is_archive(domain, file):
                check_archive(file)
        except DataError as error:
            sample: SampleOrReason = _reason(error, path)
        else:
            sample = _read_sample(domain, file)
        yield sample


def _read_sample(domain: Domain, path: Path) -> SampleOrReason:
    try:
        check_ends(path)
        return check_answer(domain.read, domain.read(path))
    except DataError as error:
        return _reason(error, path)
    except BaseException as error:  # no damaged file stops the others, whatever a library makes of it
        pass_on_interruption(error)
        return f"it cannot be read: {_refusal(path) or _in_words(domain, error)}"


def _refusal(path: Path) -> str:
    """Why the system does not let a file be read: it is gone, say; "" where it does."""
    try:
        with local_file(path) as file, file.open("rb") as content:
            content.read(1)
    except OSError as error:
        return error.strerror or str(error)
    except DataError as error:
        return _reason(error, path)
    return ""


def _reason(error: DataError, path: Path) -> str:
    return error.line.removeprefix(f"{path}").lstrip(": ")


def predict_sample(student: TrainedStudent, sample: SampleOrReason, device: torch.device) -> np.ndarray | str:
    """The activated prediction, float32, or the reason why there is none."""
    if isinstance(sample, str):
        return sample
    try:
        (logits,) = infer_logits(student.network, [sample.inputs], device)
    except Exception as error:  # a network says in many ways that an input does not fit
        return f"the student cannot take it: {_first_line(error)}"
    return activate(logits, student.domain.activation)


def write_result(
    domain: Domain, path: Path, sample: SampleOrReason, prediction: np.ndarray | str, stem: Path
) -> FileResult:
    """Write what the domain makes of a prediction beside ``stem``: all of it, or nothing.

    Raises :class:`KdkitError` when it cannot be written.
    """
    facts: dict[str, Any] = {"file": str(path), "digest": digest_of(path), "stamp": stamp_of(path)}
    if isinstance(sample, str) or isinstance(prediction, str):
        return FileResult(**facts, skipped=str(prediction))
    unfinished, file = stem.parent / f"{UNFINISHED}{tag()}", path
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        with local_file(path) as file:
            row = check_answer(domain.write, domain.write(file, sample, prediction, unfinished / stem.name))
        preview = check_answer(domain.preview, domain.preview(sample, prediction, row))
        items = check_answer(domain.items, domain.items(sample))
        picture = _write_picture(preview, unfinished / PREVIEWS / stem.name)
        written = _move(unfinished, stem.parent)
    except DataError as error:
        return FileResult(**facts, skipped=_reason(error, file))
    except (OSError, KdkitError) as error:
        reason = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(reason, OSError):
            raise
        if not is_disk_full(reason) and (
            refusal := _refusal(path)
        ):  # it was there when it was read, and the results need it once more
            return FileResult(**facts, skipped=f"it cannot be read: {refusal}")
        # By the folder of the results: the place that it names is a temporary one.
        raise unwritable(f"the results of {stem.name} in {stem.parent}", reason, ELSEWHERE) from error
    except BaseException as error:
        pass_on_interruption(error)
        return FileResult(**facts, skipped=f"its results cannot be made: {_in_words(domain, error)}")
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    shown = _shown(preview, picture) if preview else {}
    outcome: dict[str, Any] = {"row": dict(row), "items": items, "stem": stem.name, "written": written}
    return FileResult(**facts, **outcome, preview=shown)


def _shown(preview: Preview, picture: str) -> dict[str, Any]:
    """What the page shows of a file; ``picture``: the path of the preview's."""
    curve, marks = encode_curve(preview.curve), dict(preview.marks)
    return {"picture": picture, "curve": curve, "marks": marks, "caption": preview.caption}


def _write_picture(preview: Preview | None, stem: Path) -> str:
    """Write the preview's picture; its path below the folder of the results, "" without one."""
    if preview is None or preview.picture is None:
        return ""
    suffix = mimetypes.guess_extension(preview.picture.media_type) or ""
    stem.parent.mkdir()
    stem.with_name(f"{stem.name}{suffix}").write_bytes(preview.picture.data)
    return f"{PREVIEWS}/{stem.name}{suffix}"


def _move(source: Path, out: Path) -> list[str]:
    """Move every file in ``source`` to its place in ``out``; returns their paths there."""
    names = sorted(file.relative_to(source).as_posix() for file in source.rglob("*") if file.is_file())
    for name in names:
        target = out / name
        if target.parent != out:
            target.parent.mkdir(exist_ok=True)
        (source / name).replace(target)
    return names


def _first_line(error: Exception) -> str:
    lines = message_of(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _in_words(domain: Domain, error: BaseException) -> str:
    return f"{describe_error(error)}, in {title_of(domain)}. {place_of(error, component=domain)}"
