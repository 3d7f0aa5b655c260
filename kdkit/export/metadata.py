"""What an exported file says of itself."""

from __future__ import annotations

import json
from typing import Any

import kdkit
from kdkit.contracts.component import file_digest
from kdkit.runs.student import WEIGHTS, TrainedStudent

# What the values of a prediction are, by the domain's activation.
UNITS = {
    "sigmoid": "probability, 0..1, of each value by itself",
    "softmax": "probability, 0..1, of each class along the last axis",
    "identity": "the teacher's own values",
}


def describe_export(student: TrainedStudent, dtype: str) -> dict[str, str]:
    """Text by name, for the metadata of a file: what goes in, what comes out, and where the weights come from.

    ``dtype``: of the raw inputs. Normalisation is part of every exported graph: inputs are raw.
    """
    card = student.card
    components = {
        kind: {key: part.get(key, "") for key in ("name", "distribution", "version", "fingerprint")}
        for kind, part in card["components"].items()
        if kind in ("domain", "student", "teacher", "generator")
    }
    facts: dict[str, Any] = {
        "kdkit": kdkit.__version__,
        "student": card["component"],
        "domain": card["domain"],
        "inputs": card["inputs"],
        "dtype": dtype,
        "activation": student.domain.activation,
        "unit": UNITS[student.domain.activation],
        "options": card["options"],
        "components": components,
        "weights_sha256": file_digest(student.folder / WEIGHTS),
        "provenance": card.get("provenance", {}),
        "licence": card.get("licence", "not stated on the student's card"),
    }
    return {f"kdkit.{key}": text if isinstance(text, str) else json.dumps(text) for key, text in facts.items()}
