"""Looking into a TorchScript archive before torch opens it.

Merely loading one runs some of its program: ``__setstate__``, and the defaults of arguments. Among torch's operators
are some that write files, so the program is examined first: as text, by no grammar. Whatever is an operator's name
after a dot counts as that operator, be it in a call, a comment or a text; so nothing depends on whether this reading
takes the same parts for code as torch's own does. A submodule with the name of such an operator is refused thereby,
harmless as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kdkit_teachers.members import Members, RefusedError
from kdkit_teachers.operators import is_allowed

# Between the parts of a dotted name torch passes over spaces and lines, and in brackets over comments.
_GAP = r"[\s\\]*(?:#[^\n]*\n[\s\\]*)*"
_AFTER_DOT = re.compile(rf"\.{_GAP}([^\W\d]\w*)")
_OTHER_NAMESPACE = re.compile(r"(?<![\w.])ops\b(?!\.(?:aten|prim|torchvision)\.\w+\()")
_NAMESPACE = re.compile(r"(?<![\w.])ops\.(\w+)\.(\w+)\(")
_GETATTR = re.compile(r"\b(?:getattr|hasattr)\b")
_PLAIN_GETATTR = re.compile(r"\b(?:getattr|hasattr)\([\w.()\[\]]+, \"([^\"\\\n]*)\"[,)]")
_PRINT = re.compile(r"(?<![\w.\"'])print\b(?![\"'])")
# Classes of torch's own, written in C++, whose making may do anything.
_CUSTOM_CLASS = re.compile(r"\b__torch__\b(?!\.\w)|\b__torch__\.torch\b(?!\.(?!classes\b)\w)")
_CUSTOM_CLASS_IN_PICKLE = re.compile(rb"torch[.\n]+classes")


def check_script(members: Members) -> None:
    """Raise :class:`RefusedError` when the program uses an operator that is not on the list of those allowed."""
    for name, content in members.content.items():
        if name.lower().endswith(".py"):
            try:
                text = content.decode("ascii")
            except UnicodeDecodeError as error:
                raise RefusedError(f"{name} is not plain text") from error
            for fault in _faults(text):
                raise RefusedError(f"{name} {fault}")
        elif name.lower().endswith(".pkl") and _CUSTOM_CLASS_IN_PICKLE.search(content):
            raise RefusedError(f"{name} makes an object of torch's own classes")


def _faults(text: str) -> Iterator[str]:
    if set(text) & _UNSEEN:
        yield "holds control characters"
    known = _operators_of_torch()
    for match in _AFTER_DOT.finditer(text):
        if match[1] in known and not is_allowed("aten", match[1]):
            yield f"uses torch.{match[1]}, which is not on the list of a model's operators"
    for match in _NAMESPACE.finditer(text):
        if not is_allowed(match[1], match[2]):
            yield f"uses {match[1]}::{match[2]}, which is not on the list of a model's operators"
    other = _OTHER_NAMESPACE.search(text)
    if other:
        yield f"uses {text[other.start() : other.start() + 60].split('(')[0]!r}, operators of another kind"
    plain = _PLAIN_GETATTR.findall(text)
    if len(plain) != len(_GETATTR.findall(text)):
        yield "takes an attribute by a name that is not plain"
    for name in plain:
        if name in known and not is_allowed("aten", name):
            yield f"uses torch.{name}, which is not on the list of a model's operators"
    if _PRINT.search(text):
        yield "prints"
    if _CUSTOM_CLASS.search(text):
        yield "makes an object of torch's own classes"


_UNSEEN = {chr(code) for code in (*range(32), 127)} - {"\n", "\t"}


def _operators_of_torch() -> set[str]:
    """The base names of every operator that torch has in the namespace that programs reach without naming one."""
    import torch

    # The list is torch's own; there is no public way to it.
    names = [schema.name for schema in torch._C._jit_get_all_schemas()]
    names += [name.partition(".")[0] for name in torch._C._dispatch_get_all_op_names()]
    return {name.removeprefix("aten::") for name in names if name.startswith("aten::")}
