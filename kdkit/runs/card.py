"""The card that lies beside a student's weights: what it must hold, and its JSON schema."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = 2


class CardComponent(BaseModel):
    """A component that took part in the training."""

    model_config = ConfigDict(extra="allow")

    kind: str = Field("", description="generator, teacher, student, objective, metric or domain.")
    name: str = Field("", description="The name that it is registered under.")
    distribution: str = Field(description="The package that it comes from; empty for a single file.")
    distribution_version: str = Field("", description="The version of that package.")
    version: str = Field(description="The component's own version, raised whenever it gives other results.")
    digest: str = Field(description="Of its source, where that was being worked on; else empty.")
    fingerprint: str = Field("", description="Of the component with its options and files.")


class Trained(BaseModel):
    """The two components without which a student cannot be used, and any others by their path in the recipe."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, CardComponent]

    student: CardComponent
    domain: CardComponent


class Licence(BaseModel):
    """Licences as their packages state them, SPDX expressions where these do; empty where nothing is stated."""

    student: str = Field(description="Of the network's code.")
    teacher: str = Field(
        description="Of the teacher; empty where its weights are a file of the user's, or elsewhere."
    )


class Card(BaseModel):
    """What a student of kdkit is and where it comes from: the content of card.json, beside weights.safetensors."""

    model_config = ConfigDict(extra="allow", title="Card of a kdkit student")

    format: Literal[2] = Field(description="The version of this layout.")
    domain: str = Field(description="The field of application, by its registered name.")
    component: str = Field(description="The network, by its registered name.")
    options: dict[str, Any] = Field(description="The options that the network is built with.")
    inputs: str = Field(
        description="What the network takes: shape, type, range and meaning. It normalises by itself."
    )
    activation: Literal["sigmoid", "softmax", "identity"] = Field(description="From its logits to predictions.")
    weights: int = Field(ge=0, description="How many numbers were trained.")
    components: Trained = Field(description="Everything that took part, by its path in the recipe.")
    versions: dict[str, str] = Field(
        default_factory=dict,
        description="Of Python, the packages that the components come from, and what these depend on.",
    )
    provenance: dict[str, Any] = Field(description="How it was trained: fingerprints, samples, epochs, seed.")
    licence: Licence | None = Field(None, description="What its packages say of their licences.")
    weights_sha256: str = Field(
        "", description="The SHA-256 of weights.safetensors; empty where nobody wrote it down."
    )
    digest: str = Field("", description="The SHA-256 of everything else in the card; empty as well.")
    domain_file: str | None = Field(None, description="The copy of a single-file domain that lies beside the card.")


def card_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of ``card.json``."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Card.model_json_schema()}
