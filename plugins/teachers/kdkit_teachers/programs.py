"""Opening exported programs; imported only when a teacher is built."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import torch

from kdkit import WeightsError, check_weights_file
from kdkit_teachers.archive import check_archive
from kdkit_teachers.members import Members, RefusedError
from kdkit_teachers.scripted import check_script


class Program(torch.nn.Module):
    """An exported program as a module. It was exported in one mode, so ``train`` and ``eval`` change nothing."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def train(self, mode: bool = True) -> Program:
        self.training = mode
        return self

    def forward(self, inputs: torch.Tensor) -> Any:
        return self.module(inputs)


def load_program(path: Path, trust: bool = False) -> tuple[torch.nn.Module, int | None]:
    """The network in a .pt2 or TorchScript file, and how many inputs it takes at once where that is fixed.

    Its program is examined before torch reads any of it, unless its author has your ``trust``. Raises
    :class:`kdkit.WeightsError` when the file is damaged, of another kind, or uses an operator that is not allowed.
    """
    head = check_weights_file(path)
    if not head.startswith(b"PK"):
        raise _refused(path)
    try:
        members = Members(path)
        kind = _kind(members)
        if kind is None:
            raise _refused(path)
        if not trust:
            (check_archive if kind == "exported" else check_script)(members)
    except RefusedError as error:
        raise WeightsError(
            f"{path} was not loaded: {error}",
            "Export it again with a recent torch, of torch's and torchvision's own operators; or, if you trust its "
            "author as you would a program's, set teacher.trust=true.",
        ) from error
    file = members.repacked()
    del members
    return _exported(path, file) if kind == "exported" else (_scripted(path, file), None)


def _kind(members: Members) -> str | None:
    if "archive_format" in members.content:
        return "exported"
    is_script = "constants.pkl" in members.content and any(name.startswith("code/") for name in members.content)
    return "scripted" if is_script else None


def _refused(path: Path) -> WeightsError:
    return WeightsError(
        f"{path} was not loaded: it is neither a torch.export program nor TorchScript",
        "A pickled module could execute code when it is read. Save it with torch.export.save, or keep its state dict "
        "and use the teacher torchvision.",
    )


def _exported(path: Path, file: io.BytesIO) -> tuple[torch.nn.Module, int | None]:
    try:
        program = torch.export.load(file)
        module = program.module()
    except Exception as error:  # torch raises many kinds of errors for what is damaged or too new
        raise WeightsError(f"{path} is not a whole torch.export program: {_first_line(error)}") from error
    names = program.graph_signature.user_inputs
    inputs = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(inputs) != 1:
        raise WeightsError(f"{path} takes {len(inputs)} inputs; a teacher takes one, the batch of samples")
    first = inputs[0].meta["val"].shape[0]
    return Program(module), first if isinstance(first, int) else None


def _scripted(path: Path, file: io.BytesIO) -> torch.nn.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript is deprecated is for those who write such files
            module: torch.nn.Module = torch.jit.load(file, map_location="cpu")
    except Exception as error:  # as above
        raise WeightsError(f"{path} is not a whole TorchScript file: {_first_line(error)}") from error
    return module


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
