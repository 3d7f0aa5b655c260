"""Opening exported programs; imported only when a teacher is built."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from kdkit import WeightsError, check_weights_file
from kdkit_teachers.archive import check_archive


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


def load_program(path: Path) -> tuple[torch.nn.Module, int | None]:
    """The network in a .pt2 or TorchScript file, and how many inputs it takes at once where that is fixed.

    Raises :class:`kdkit.WeightsError` when the file is damaged, of another kind, or could execute code.
    """
    head = check_weights_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError) as error:
        if head.startswith(b"PK"):
            raise WeightsError(f"{path} is not whole: its end is missing", "Copy or download it again.") from error
        raise _refused(path) from error
    if "archive_format" in members:
        return _exported(path)
    if "constants.pkl" in members and any(name.startswith("code/") for name in members):
        return _scripted(path), None
    raise _refused(path)


def _refused(path: Path) -> WeightsError:
    return WeightsError(
        f"{path} was not loaded: it is neither a torch.export program nor TorchScript",
        "A pickled module could execute code when it is read. Save it with torch.export.save, or keep its state dict "
        "and use the teacher torchvision.",
    )


def _exported(path: Path) -> tuple[torch.nn.Module, int | None]:
    check_archive(path)
    try:
        program = torch.export.load(path)
        module = program.module()
    except Exception as error:  # torch raises many kinds of errors for what is damaged or too new
        raise WeightsError(f"{path} is not a whole torch.export program: {_first_line(error)}") from error
    names = program.graph_signature.user_inputs
    inputs = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(inputs) != 1:
        raise WeightsError(f"{path} takes {len(inputs)} inputs; a teacher takes one, the batch of samples")
    first = inputs[0].meta["val"].shape[0]
    return Program(module), first if isinstance(first, int) else None


def _scripted(path: Path) -> torch.nn.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript is deprecated is for those who write such files
            module: torch.nn.Module = torch.jit.load(path, map_location="cpu")
    except Exception as error:  # as above
        raise WeightsError(f"{path} is not a whole TorchScript file: {_first_line(error)}") from error
    return module


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
