"""A trained student on disk: safetensors weights, and a JSON card that describes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from kdkit.atomic import SEAL, digest_of, seal_of, write_bytes, write_sealed
from kdkit.contracts.component import file_digest, fingerprint_of, is_path_field
from kdkit.errors import UsageError, WeightsError
from kdkit.plugins.calls import call
from kdkit.recipe.faults import describe_fault
from kdkit.runs import environment
from kdkit.runs.card import FORMAT, Card
from kdkit.runs.folder import STUDENT
from kdkit.runs.licences import licence_of
from kdkit.store.weights import fit_state, read_state

if TYPE_CHECKING:
    import torch

    from kdkit.contracts.component import Component
    from kdkit.contracts.domain import Domain
    from kdkit.contracts.student import Student
    from kdkit.plugins.registry import Registry
    from kdkit.recipe.experiment import Experiment

WEIGHTS, CARD = "weights.safetensors", "card.json"
# The key of the card in the header of the weights.
_HEADER = "card"
# Exports that are no student to kdkit, by a file in each.
_EXPORTS = {"monai-bundle": "configs/metadata.json", "onnx": "*.onnx", "torch-export": "*.pt2"}
_AGAIN = "In the folder of a run, kdkit run makes it again; else copy it again from where it was made."


@dataclass(frozen=True)
class TrainedStudent:
    """A student that was read back, with what it needs to be used.

    ``notes``: a sentence on each component that is not the one that the student was trained with.
    ``domain_file``: the Python file of a single-file domain; None when the domain is installed.
    """

    component: Student
    network: torch.nn.Module
    domain: Domain
    card: dict[str, Any]
    folder: Path
    notes: list[str]
    domain_file: Path | None = None

    def fingerprint(self) -> str:
        """16 hexadecimal digits of what its predictions depend on: network, options and weights."""
        return fingerprint_of(student=self.component.fingerprint(), weights=file_digest(self.folder / WEIGHTS))

    def with_outputs(self, options: Mapping[str, Any]) -> TrainedStudent:
        """The same student, whose domain has these options: they say what is written for a predicted file.

        Raises :class:`UsageError` for options that the domain does not have.
        """
        domain_class = type(self.domain)
        try:
            domain = domain_class(domain_class.Options.model_validate(dict(options)))
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            name = ".".join(map(str, fault["loc"]))
            known = ", ".join(domain_class.Options.model_fields) or "none"
            setting = f"{name}={options.get(name)!r}"
            raise UsageError(
                f"the domain {self.card['domain']} cannot write {setting}: {describe_fault(fault)}",
                f"What it lets one choose: {known}.",
            ) from error
        return replace(self, domain=domain)


def write_student(
    folder: Path, network: torch.nn.Module, experiment: Experiment, training: dict[str, Any]
) -> list[Path]:
    """Write weights and card, and return every file; the card appears last, so a folder with a card is whole.

    ``training``: what is known of how it was trained (fingerprints, losses, ...), kept under ``provenance``.
    Raises :class:`WeightsError` for weights that are not finite.
    """
    from safetensors.torch import save

    # Copies: safetensors refuses tensors that share their memory, as tied weights do.
    state = {key: value.detach().cpu().clone().contiguous() for key, value in network.state_dict().items()}
    for key, value in state.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise WeightsError(f"the trained weights {key} are not finite", "Lower training.learning_rate.")
    recipe, student = experiment.recipe, experiment.student
    card = {
        "format": FORMAT,
        "domain": recipe.domain,
        "component": recipe.student.name,
        "options": student.options.model_dump(mode="json"),
        "inputs": student.inputs,
        "activation": experiment.domain.activation,
        "weights": sum(parameter.numel() for parameter in network.parameters()),
        "components": environment.components(experiment),
        "versions": environment.versions(experiment),
        "provenance": training,
        "licence": {"student": licence_of(student), "teacher": licence_of(experiment.teacher)},
    }
    if experiment.domain_file:
        card["domain_file"] = experiment.domain_file.name
    (folder / CARD).unlink(missing_ok=True)
    # The card in the header of the weights outlasts a lost card.json.
    write_bytes(folder / WEIGHTS, save(state, {_HEADER: json.dumps(card)}))
    return write_beside_weights(folder, card, experiment)


def write_beside_weights(folder: Path, card: Mapping[str, Any], experiment: Experiment) -> list[Path]:
    """Write what lies beside the weights of a student with this card; returns every file of the student."""
    files = [folder / WEIGHTS, folder / CARD]
    if experiment.domain_file:
        # Kept for whoever wants to use the student when the file has changed; it is never loaded from here unasked.
        files.append(folder / experiment.domain_file.name)
        write_bytes(files[-1], experiment.domain_file.read_bytes())
    write_sealed(folder / CARD, {**card, "weights_sha256": digest_of(folder / WEIGHTS)})
    return files


def recover_card(folder: Path, weights_digest: str) -> dict[str, Any] | None:
    """The card of weights that are what was written: the file, or the copy in the header of the weights.

    ``weights_digest``: what is known of the weights from elsewhere, "" for nothing. None where nothing tells that
    the weights are whole. No torch is loaded.
    """
    from safetensors import SafetensorError, safe_open

    digest = digest_of(folder / WEIGHTS)
    try:
        card = read_card(folder)
        if digest and digest == card.get("weights_sha256"):
            return card
    except WeightsError:
        pass
    if not digest or digest != weights_digest:
        return None
    try:
        with safe_open(folder / WEIGHTS, framework="numpy") as file:
            card = json.loads((file.metadata() or {}).get(_HEADER, "null"))
    except (SafetensorError, OSError, ValueError, RecursionError):
        return None
    return card if isinstance(card, dict) else None


def read_student(registry: Registry, path: Path) -> TrainedStudent:
    """The student in a run's folder or in a student's own.

    Raises :class:`UsageError` when there is none, or when it belongs to a single-file domain that is not loaded;
    :class:`WeightsError` when its files are damaged.
    """
    folder = next((f for f in (path, path / STUDENT) if (f / CARD).is_file()), None)
    if folder is None:
        raise UsageError(
            f"{path} holds no student{_exported_as(path)}" if path.exists() else f"{path} does not exist",
            f"Expected the folder of a finished run, or one with {WEIGHTS} and {CARD}: the {STUDENT} folder in it, "
            "or an export with --format safetensors.",
        )
    card = read_card(folder)
    _check_domain_file(registry, card, folder)
    student_class = registry.component("student", card["component"])
    # What the weights were started from is not needed to use them, and may not be here.
    fields = student_class.Options.model_fields
    inputs = {key for key, field in fields.items() if is_path_field(field) and not field.is_required()}
    values = {key: value for key, value in card["options"].items() if key not in inputs}
    try:
        options = student_class.Options.model_validate(values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise WeightsError(
            f"{folder / CARD} has options that this {card['component']} does not take: "
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}",
        ) from error
    student: Any = student_class(options)
    _check_weights(folder, card)
    network = call(student.build)
    fit_state(network, read_state(folder / WEIGHTS), str(folder / WEIGHTS))
    domain: Any = registry.component("domain", card["domain"])()
    notes = [_differences(card, kind, component) for kind, component in (("student", student), ("domain", domain))]
    network.eval().requires_grad_(False)
    domain_file = registry.find("domain", card["domain"])[0].file
    return TrainedStudent(student, network, domain, card, folder, list(filter(None, notes)), domain_file)


def _exported_as(path: Path) -> str:
    """In which form the folder holds an export that needs another runtime; "" for none."""
    form = next((form for form, pattern in _EXPORTS.items() if any(path.glob(pattern))), "")
    return f", but an export ({form}) for use without kdkit" if form else ""


def _differences(card: dict[str, Any], kind: str, component: Component) -> str:
    """What a component is now and was not when the student was trained, as a sentence; "" when it is the same."""
    now, then = environment.describe_component(component), card["components"][kind]
    differences = []
    if now["distribution"] != then["distribution"]:
        differences.append(
            f"came from {then['distribution'] or 'a file'}, now from {now['distribution'] or 'a file'}"
        )
    if now["version"] != then["version"]:
        differences.append(f"was version {then['version']}, now {now['version']}")
    # An installed wheel has no digest: there is nothing to compare.
    if now["digest"] and then["digest"] and now["digest"] != then["digest"]:
        differences.append("has changed in its code")
    if not differences:
        return ""
    return f"the {kind} {now['name']} is not the one of the training: it {', and '.join(differences)}"


def _check_domain_file(registry: Registry, card: dict[str, Any], folder: Path) -> None:
    """A card must not have code loaded, so the file of a single-file domain is one that the user named."""
    name = card.get("domain_file")
    if name and not any(plugin.file for plugin in registry.plugins):
        raise UsageError(
            f"the student in {folder} belongs to a domain in the Python file {name}, which is not loaded by itself",
            f"Name it: --domain-file {name} (a copy from the time of its training: {folder / name})",
        )


def _check_weights(folder: Path, card: Mapping[str, Any]) -> None:
    """Weights that cannot be read at all are told of by whoever reads them."""
    digest, written = digest_of(folder / WEIGHTS), card.get("weights_sha256")
    if digest and written and digest != written:
        raise WeightsError(f"{folder / WEIGHTS} is damaged: it is not what was written with its card", _AGAIN)


def read_card(folder: Path) -> dict[str, Any]:
    """The card of the student in a folder. Raises :class:`WeightsError` when it is damaged or of another kdkit."""
    path = folder / CARD
    if not path.is_file():
        raise WeightsError(f"{path} does not exist", _AGAIN)
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if card["format"] > FORMAT:
            raise WeightsError(f"{path} was written by a newer kdkit", "pip install --upgrade kdkit")
        if card["format"] < FORMAT:
            raise WeightsError(
                f"{path} was written by an older kdkit, whose students this one cannot read",
                "Train the student again with kdkit run and another --out, or use it with that older kdkit.",
            )
        Card.model_validate(card)
        if card.get(SEAL) not in (None, "", seal_of(card)):
            raise WeightsError(f"{path} is damaged, or was edited: it is not what was written", _AGAIN)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise WeightsError(f"{path} is not a student's card: {place}: {fault['msg']}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path} is not a student's card") from error
    return card
