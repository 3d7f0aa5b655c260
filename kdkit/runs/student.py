"""A trained student on disk: safetensors weights, and a JSON card that describes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from kdkit.atomic import write_bytes, write_json
from kdkit.errors import UsageError, WeightsError
from kdkit.runs.folder import STUDENT
from kdkit.store.weights import fit_state, read_state

if TYPE_CHECKING:
    import torch

    from kdkit.contracts.domain import Domain
    from kdkit.plugins.registry import Registry
    from kdkit.recipe.experiment import Experiment

WEIGHTS, CARD = "weights.safetensors", "card.json"
FORMAT = 1


@dataclass(frozen=True)
class TrainedStudent:
    """A student that was read back, with what it needs to be used."""

    network: torch.nn.Module
    domain: Domain
    card: dict[str, Any]
    folder: Path


def write_student(folder: Path, network: torch.nn.Module, experiment: Experiment, training: dict[str, Any]) -> None:
    """Write weights and card; the card appears last, so a folder with a card is whole.

    ``training``: what is known of how it was trained (fingerprints, losses, ...), kept under ``provenance``.
    """
    from safetensors.torch import save

    (folder / CARD).unlink(missing_ok=True)
    # Copies: safetensors refuses tensors that share their memory, as tied weights do.
    state = {key: value.detach().cpu().clone().contiguous() for key, value in network.state_dict().items()}
    write_bytes(folder / WEIGHTS, save(state))
    recipe, student = experiment.recipe, experiment.student
    card = {
        "format": FORMAT,
        "domain": recipe.domain,
        "component": recipe.student.name,
        "options": student.options.model_dump(mode="json"),
        "inputs": student.inputs,
        "activation": experiment.domain.activation,
        "weights": sum(parameter.numel() for parameter in network.parameters()),
        "provenance": training,
    }
    if experiment.domain_file:
        # Kept for whoever wants to use the student when the file has changed; it is never loaded from here unasked.
        write_bytes(folder / experiment.domain_file.name, experiment.domain_file.read_bytes())
        card["domain_file"] = experiment.domain_file.name
    write_json(folder / CARD, card)


def read_student(registry: Registry, path: Path) -> TrainedStudent:
    """The student in a run's folder or in a student's own.

    Raises :class:`UsageError` when there is none, or when it belongs to a single-file domain that is not loaded;
    :class:`WeightsError` when its files are damaged.
    """
    folder = next((f for f in (path, path / STUDENT) if (f / CARD).is_file()), None)
    if folder is None:
        raise UsageError(
            f"{path} holds no student" if path.exists() else f"{path} does not exist",
            f"Expected the folder of a finished run, or one with {WEIGHTS} and {CARD}.",
        )
    card = _read_card(folder / CARD)
    _check_domain_file(registry, card, folder)
    student_class = registry.component("student", card["component"])
    # What the weights were started from is not needed to use them, and may not be here.
    options = {key: value for key, value in card["options"].items() if key != "weights"}
    try:
        chosen = student_class.Options.model_validate(options)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise WeightsError(
            f"{folder / CARD} has options that this {card['component']} does not take: "
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}",
        ) from error
    network = student_class(chosen).build()  # type: ignore[attr-defined]
    fit_state(network, read_state(folder / WEIGHTS), str(folder / WEIGHTS))
    domain: Any = registry.component("domain", card["domain"])()
    return TrainedStudent(network.eval().requires_grad_(False), domain, card, folder)


def has_changed(student: TrainedStudent, domain_file: Path) -> bool:
    """Whether the file of the student's single-file domain is another than when the student was trained."""
    name = student.card.get("domain_file")
    kept = student.folder / str(name)
    return bool(name) and not (kept.is_file() and kept.read_bytes() == domain_file.read_bytes())


def _check_domain_file(registry: Registry, card: dict[str, Any], folder: Path) -> None:
    """A card must not have code loaded, so the file of a single-file domain is one that the user named."""
    name = card.get("domain_file")
    if name and not any(plugin.file for plugin in registry.plugins):
        raise UsageError(
            f"the student in {folder} belongs to a domain in the Python file {name}, which is not loaded by itself",
            f"Name it: --domain-file {name} (a copy from the time of its training: {folder / name})",
        )


_CARD_TYPES = {"component": str, "options": dict, "domain": str}


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if card["format"] > FORMAT:
            raise WeightsError(f"{path} was written by a newer kdkit", "pip install --upgrade kdkit")
        if not all(isinstance(card[key], kind) for key, kind in _CARD_TYPES.items()):
            raise TypeError
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is not a student's card") from error
    return card
