"""The results of ``kdkit predict`` as a page: most doubtful first, with filter and search."""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from kdkit.atomic import write_text
from kdkit.contracts.domain import Domain
from kdkit.engine.prediction_log import PAGE, FileResult
from kdkit.pages.template import render

# Bytes of pictures that the page holds itself, those of the most doubtful files; the others lie beside it.
MOST_INLINE = 12_000_000
# What a browser plays, before what it only shows.
_MOVING = (".mp4", ".webm", ".gif", ".webp", ".png", ".jpg", ".svg")
_FLAGS, _DOUBT = "flags", "doubt"
_APART = (_FLAGS, _DOUBT)
# Ends the name of a column of words that say why others are empty.
_NOTE = "_note"
_DIGITS = 4


def write_page(out: Path, student: str, domain: Domain, results: Sequence[FileResult]) -> None:
    """Write ``index.html`` into the folder of the results. Raises :class:`kdkit.errors.StoreError` if it cannot."""
    ordered = sorted(results, key=_doubt_first)
    keys, notes = _columns(domain, ordered)
    names = _short_names(ordered)
    pictures = _Pictures(out)
    rows = [_row(result, name, keys, notes, domain, pictures) for result, name in zip(ordered, names, strict=True)]
    flags = Counter(flag for result in ordered for flag in _flags_of(result))
    data = {
        "columns": [_heading(domain, key) for key in keys],
        "flags": {flag: domain.flags.get(flag, "") for flag, _ in flags.most_common()},
        "rows": rows,
    }
    script = files("kdkit.pages").joinpath("templates/predictions.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = render(
        "predictions.html",
        student=student,
        item=domain.item,
        files=len(results),
        items=sum(result.items for result in results),
        skipped=sum(bool(result.skipped) for result in results),
        flagged=sum(bool(_flags_of(result)) for result in results),
        script=Markup(script),  # noqa: S704  our own
        digest=digest,
        data=_as_script(data),
    )
    write_text(out / PAGE, text)


def _doubt_first(result: FileResult) -> tuple[bool, float]:
    """What was not read comes last: there is nothing to look at."""
    doubt = result.row.get(_DOUBT)
    return bool(result.skipped), -float(doubt if isinstance(doubt, int | float) else len(_flags_of(result)))


def _flags_of(result: FileResult) -> list[str]:
    return str(result.row.get(_FLAGS) or "").split()


def _columns(domain: Domain, results: Sequence[FileResult]) -> tuple[list[str], list[str]]:
    """The keys of the columns that are shown, the domain's or all, and of those that say why others are empty."""
    there = dict.fromkeys(key for result in results for key in result.row)
    shown = [key for key in domain.columns or there if key in there and key not in _APART]
    return [key for key in shown if not key.endswith(_NOTE)], [key for key in shown if key.endswith(_NOTE)]


def _heading(domain: Domain, key: str) -> str:
    return domain.columns.get(key) or key.replace("_", " ")


def _short_names(results: Sequence[FileResult]) -> list[str]:
    """Each file's path below the folder that holds all: a page that is handed on says nothing of this machine."""
    folders = {os.path.dirname(result.file) for result in results}  # noqa: PTH120  as text, which also takes "a.zip/b"
    try:
        common = os.path.commonpath(folders) if folders else ""
    except ValueError:  # some are absolute, others are not
        common = ""
    return [os.path.relpath(result.file, common) if common else result.file for result in results]


def _row(
    result: FileResult,
    name: str,
    keys: Sequence[str],
    notes: Sequence[str],
    domain: Domain,
    pictures: _Pictures,
) -> Mapping[str, Any]:
    """A file as the script takes it; what is empty is left out."""
    preview = result.preview
    written = sorted(result.written, key=_rank)
    moving = next((one for one in written if _rank(one) < len(_MOVING) and one != preview.get("picture")), "")
    row = {
        "name": name,
        "cells": [_cell(result.row, key) for key in keys] if not result.skipped else [],
        "notes": [f"{_heading(domain, key)}: {result.row[key]}" for key in notes if result.row.get(key)],
        "flags": _flags_of(result),
        "doubt": result.row.get(_DOUBT),
        "problem": result.skipped,
        "duplicate": result.duplicate_of and os.path.basename(result.duplicate_of),  # noqa: PTH119
        "picture": pictures.address(preview.get("picture", "")),
        "curve": preview.get("curve", ""),
        "caption": preview.get("caption", ""),
        "marks": list(preview.get("marks", {}).items()),
        "items": result.items,
        "moving": _address(moving) if moving else "",
    }
    return {key: value for key, value in row.items() if value not in ("", [], None)}


def _cell(row: Mapping[str, Any], key: str) -> Any:
    """A value, or one with its interval."""
    value, low, high = (_shortened(row.get(name)) for name in (key, f"{key}_low", f"{key}_high"))
    return [value, low, high] if None not in (low, high) else value


def _shortened(value: Any) -> Any:
    """A number with as many digits as a look can take in; the table has all of them."""
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _rank(name: str) -> int:
    suffix = Path(name).suffix.lower()
    return _MOVING.index(suffix) if suffix in _MOVING else len(_MOVING)


class _Pictures:
    """Addresses of small pictures: their content as long as there is room for it, then the files."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.room = MOST_INLINE

    def address(self, name: str) -> str:
        """The address of a file of the results; "" where there is none."""
        if not name:
            return ""
        try:
            data = (self.out / name).read_bytes() if self.room > 0 else b""
        except OSError:
            return ""
        self.room -= len(data)
        if not data or self.room < 0:
            return _address(name)
        kind = mimetypes.guess_type(name)[0] or "image/webp"
        return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _address(name: str) -> str:
    """A file beside the page, whatever its name holds."""
    return quote(os.fsencode(f"./{name}"))


def _as_script(data: Any) -> Markup:
    """JSON that may stand within ``<script type="application/json">``: nothing in it ends the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  escaped above
