"""Looking into a .pt2 archive before torch opens it.

``torch.export.load`` reads some of an archive with pickle, evaluates texts in it as expressions, and takes the
functions of its graph from all of torch by name. Each of these could be used to execute code, so what an ordinary
exported model does not hold is refused here, unread.
"""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from kdkit_teachers.members import Members, RefusedError
from kdkit_teachers.operators import is_allowed

_OPERATOR = re.compile(r"torch\.ops\.(\w+)\.(\w+)\.(?!__)\w+")
_TARGETS = re.compile(
    r"torch\.sym_(int|float|not|max|min|ite|sqrt)"
    r"|torch\._sym_sqrt"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|pow|neg|pos|getitem|le|lt|ge|gt|eq|ne|and_|or_|xor)"
    r"|math\.(floor|ceil|trunc)"
)
_NAME = re.compile(r"[A-Za-z_][\w.]*|")
_FUNCTIONS = set(
    "Symbol Integer Float Rational Add Mul Pow Max Min Mod PythonMod FloorDiv CeilDiv CleanDiv ModularIndexing Where "
    "ToFloat TruncToInt TruncToFloat FloatTrueDiv IntTrueDiv RoundToInt FloorToInt CeilToInt PowByNatural FloatPow "
    "Equality Unequality GreaterThan StrictGreaterThan LessThan StrictLessThan And Or Not Identity".split()
)
_MEASURES = set("size dim ndim stride shape numel storage_offset".split())
_ARITHMETIC = (
    ast.Expression,
    ast.BoolOp,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.Load,
    ast.boolop,
    ast.operator,
    ast.unaryop,
    ast.cmpop,
    ast.keyword,
)


def check_archive(members: Members) -> None:
    """Raise :class:`RefusedError` unless the archive holds one exported program and nothing that executes."""
    try:
        _check_all(members)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RefusedError(f"it is not what torch.export.save writes: {type(error).__name__}: {error}") from error


def _check_all(members: Members) -> None:
    _check_names(members)
    for name in members.content:
        if name.startswith("models/"):
            _check_graph(json.loads(members.read(name)))
        elif name.startswith(("data/weights/", "data/constants/")) and name.endswith("_config.json"):
            _check_payloads(json.loads(members.read(name)), members, str(PurePosixPath(name).parent))
        elif name.endswith(".pt"):
            _check_tensors(members.read(name), name)


def _check_names(members: Members) -> None:
    if members.read("archive_format") != b"pt2":
        raise RefusedError("it is no .pt2 archive")
    if sum(name.startswith("models/") for name in members.content) != 1:
        raise RefusedError("it does not hold one exported program")
    known = ("models/", "data/weights/", "data/constants/", "data/sample_inputs/", "extra/", ".data/")
    known_files = (
        "archive_format",
        "archive_version",
        "byteorder",
        "version",
        ".format_version",
        ".storage_alignment",
    )
    strange = [name for name in members.content if not name.startswith(known) and name not in known_files]
    if strange:
        raise RefusedError(f"it holds {strange[0]}: compiled programs are not taken")


def _check_payloads(config: Any, members: Members, folder: str) -> None:
    for payload in config["config"].values():
        name = payload["path_name"]
        if not re.fullmatch(r"(weight|tensor)_\d+", name):
            raise RefusedError(f"it holds an object beside tensors, {name}")
        if payload["use_pickle"]:
            _check_tensors(members.read(f"{folder}/{name}"), name)


def _check_tensors(content: bytes, member: str) -> None:
    """The bytes are plain tensors: what ``weights_only`` reads names nothing that executes."""
    import torch

    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds of errors for what is damaged or refused
        raise RefusedError(f"{member} holds more than plain tensors, and reading it could execute code") from error


def _check_graph(program: Any) -> None:
    for guard in program.get("guards_code") or []:
        _check_expression(guard)
    for key, value in _texts(program):
        if key == "target" and not _is_target(value):
            raise RefusedError(f"it calls {value[:60]!r}, which is not on the list of a model's operators")
        if key == "name" and not _NAME.fullmatch(value):
            raise RefusedError(f"it has the name {value[:60]!r}")
        if key == "expr_str":
            _check_expression(value)


def _is_target(name: str) -> bool:
    operator = _OPERATOR.fullmatch(name)
    return is_allowed(operator[1], operator[2]) if operator else bool(_TARGETS.fullmatch(name))


def _texts(node: Any) -> Iterator[tuple[str, str]]:
    """Every text in a tree of JSON, with its key; what torch only shows to people is left out."""
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str):
                yield key, value
            elif key != "metadata":
                yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def _check_expression(text: str) -> None:
    """Sizes and what is computed from them, and nothing else."""
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise RefusedError(f"it holds the expression {text[:60]!r}") from error
    # Texts may only name a symbol: others would be parsed as expressions, in their turn.
    symbols = {
        id(argument)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Symbol"
        for argument in call.args
    }
    for node in ast.walk(tree):
        if not _is_arithmetic(node, id(node) in symbols):
            raise RefusedError(f"it holds the expression {text[:60]!r}")


def _is_arithmetic(node: ast.AST, is_symbol: bool) -> bool:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return is_symbol and bool(re.fullmatch(r"\w+", node.value))
        return node.value is None or isinstance(node.value, int | float)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            return node.func.attr in _MEASURES
        return isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS
    if isinstance(node, ast.Attribute):
        return node.attr in _MEASURES
    if isinstance(node, ast.Name):
        return "__" not in node.id
    return isinstance(node, (*_ARITHMETIC, ast.Subscript, ast.Tuple))
