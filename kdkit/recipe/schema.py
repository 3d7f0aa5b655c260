"""What a recipe may say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, model_validator
from pydantic.fields import FieldInfo

from kdkit.errors import did_you_mean

# What Lightning takes; written down here because importing Lightning takes seconds.
LARGEST_SEED = 2**32 - 1
ACCELERATORS = ("auto", "cpu", "cuda", "gpu", "mps", "tpu")
PRECISIONS = (
    *("16", "32", "64", "bf16"),
    *("16-mixed", "bf16-mixed", "16-true", "bf16-true", "32-true", "64-true"),
    *("transformer-engine", "transformer-engine-float16"),
)
# Chosen by measurements: one of the teacher for labelling, one of the student for training. Predictions are made in
# full precision then.
AUTO_PRECISION = "auto"
FULL_PRECISION = "32-true"
# bfloat16 by autocast, with weights in float32: what a training may choose instead.
MIXED_PRECISION = "bf16-mixed"
# What labelling may choose instead, in the order in which they are tried: weights cast, then autocast.
LOWER_PRECISIONS = ("bf16-true", MIXED_PRECISION)
# "2" is a number of devices, "0,1" and "0," are devices.
_DEVICE_LIST = re.compile(r"[1-9]\d*|\d+(,\d+)+|\d+,")


# Whose answers a network is trained on.
Targets = Literal["teacher", "untrained-teacher", "truth"]


Length = Annotated[StrictInt, Field(ge=1)]


class Part(BaseModel):
    """A section of the recipe: every option known, none changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Choice(BaseModel):
    """A component by name; every other key is an option of that component."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="Name of a registered component.")

    @property
    def extra_options(self) -> dict[str, object]:
        """The options beside the name, as they were read."""
        return dict(self.model_extra or {})


class MetricChoice(Choice):
    """A metric, which may be measured several times with different options, each under a label of its own."""

    label: str | None = Field(
        None, min_length=1, description="What it is called in scores and pages; by default its name."
    )

    @property
    def title(self) -> str:
        """The label, else the name."""
        return self.label or self.name


class WeightedChoice(Choice):
    """One of several components whose results are added up."""

    weight: float = Field(1.0, gt=0, allow_inf_nan=False, description="Its factor in the sum.")


class Samples(Part):
    """How many samples are made."""

    train: int = Field(ge=1, description="Samples that the student is trained on.")
    validation: int = Field(ge=1, description="Samples that choose the best epoch; never trained on.")
    evaluation: int = Field(ge=1, description="Samples that the scores are measured on; never trained on.")


class Training(Part):
    """How the student is trained."""

    epochs: int = Field(ge=1, description="Passes over the training samples, at most.")
    batch_size: int = Field(ge=1, description="Samples in one step, over all devices.")
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate of the optimiser.")
    optimizer: Literal["adamw", "muon"] = Field(
        "adamw",
        description="Optimiser: adamw (arXiv:1711.05101), or muon, whose steps of matrices and kernels are "
        "orthogonalized (Jordan et al. 2024): most networks learn in fewer steps.",
    )
    weight_decay: float = Field(0.0, ge=0, description="Weight decay, decoupled from the gradient.")
    window: Length | Annotated[list[Length], Field(min_length=1)] | None = Field(
        None,
        description="Length of the random window of each sample, along the first axis of the inputs that the domain "
        "aligns with one of the targets, or a list of lengths along the first few; null takes whole samples.",
    )
    schedule: Literal["one-cycle", "constant"] = Field(
        "one-cycle", description="Learning rate over time: one-cycle (Smith & Topin, arXiv:1708.07120) or constant."
    )
    patience: int | None = Field(
        None, ge=1, description="Stop after so many epochs without a better validation loss; null never does."
    )
    seeds: int = Field(
        1,
        ge=1,
        le=1000,
        description="Students that are trained alike but for their seed; scores are their means, and intervals hold "
        "the doubt about the seed, too.",
    )


class Evaluation(Part):
    """What the models are measured with, and on."""

    metrics: list[str | MetricChoice] = Field(
        min_length=1,
        description="Metrics by name, or {name, label, options}; the first one ranks the report's cases.",
    )
    generator: Choice | None = Field(
        None, description="Source of the evaluation samples; null holds some of the training source's apart."
    )
    margin: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="By metric, the loss from which on a student counts as worse than its teacher; what is not named "
        "has the domain's margin, or none.",
    )


class Control(Part):
    """The same student, trained in the same way on other samples or other targets: what its score is held against."""

    name: str = Field(
        "",
        pattern=r"^[a-z][a-z0-9-]*$",
        validate_default=True,
        description="What it is called in scores; by default what its targets are, or control for the teacher's.",
    )
    generator: Choice | None = Field(None, description="Source of its samples; null takes the recipe's own.")
    targets: Targets = Field(
        "teacher",
        description="What it learns: the teacher's answers, those of the teacher with weights drawn anew, or the "
        "truth that the generator knows of its samples.",
    )
    samples: int | None = Field(
        None,
        ge=1,
        description="Samples that it is trained on, the first of its source, samples.train at most; null takes all.",
    )
    epochs: int | None = Field(
        None,
        ge=1,
        description="Passes of the control over its samples, training.epochs at most; null takes as many. What means "
        "nothing is soon learnt.",
    )

    def count_samples(self, train: int) -> int:
        """How many samples it is trained on, where the student is trained on ``train``."""
        return min(self.samples or train, train)

    def count_epochs(self, epochs: int) -> int:
        """How many epochs it is trained for at most, where the student is for ``epochs``."""
        return min(self.epochs or epochs, epochs)

    @model_validator(mode="before")
    @classmethod
    def _fill_name(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or values.get("name") is not None:
            return values
        targets = values.get("targets", "teacher")
        return {**values, "name": "control" if targets == "teacher" else targets}


def _check_accelerator(name: str) -> str:
    if name not in ACCELERATORS:
        raise ValueError(f"an accelerator; {did_you_mean(name, ACCELERATORS)}")
    return name


def _check_devices(devices: int | list[int] | str) -> int | list[int] | str:
    if isinstance(devices, int):
        valid = devices == -1 or devices >= 1
    elif isinstance(devices, list):
        valid = bool(devices) and min(devices) >= 0 and len(set(devices)) == len(devices)
    else:
        valid = devices in ("auto", "-1") or bool(_DEVICE_LIST.fullmatch(devices))
    if not valid:
        raise ValueError("auto, -1 for all, how many there are to be (from 1), or which ones: [0, 1]")
    return devices


def _check_precision(name: str) -> str:
    if name not in (AUTO_PRECISION, *PRECISIONS):
        raise ValueError(f"a precision; {did_you_mean(name, (AUTO_PRECISION, *PRECISIONS))}")
    return name


class Hardware(Part):
    """Where it runs: passed to Lightning's Trainer as it is, but for a precision of auto, see :meth:`settle`."""

    accelerator: Annotated[str, AfterValidator(_check_accelerator)] = Field(
        "auto", description="cpu, gpu, tpu, ... or auto."
    )
    devices: Annotated[StrictInt | list[StrictInt] | str, AfterValidator(_check_devices)] = Field(
        "auto", description="How many devices, which ones, or auto."
    )
    num_nodes: int = Field(1, ge=1, description="Machines.")
    strategy: str = Field("auto", description="ddp, fsdp, ... or auto.")
    precision: Annotated[str, AfterValidator(_check_precision)] = Field(
        FULL_PRECISION,
        coerce_numbers_to_str=True,
        description="32-true, bf16-mixed, 16-mixed, ...; auto labels and trains in bfloat16 where that is measured "
        "to pay, and predicts in 32-true.",
    )
    workers: int | None = Field(
        None, ge=1, description="Processes that make samples; null takes one for each processor core."
    )
    readers: int | None = Field(
        None,
        ge=0,
        description="Processes that read training batches ahead, for each device; null takes 2 beside a CUDA device "
        "and none otherwise.",
    )

    def settle(self, precision: str = FULL_PRECISION) -> Hardware:
        """The same with ``precision`` in place of auto; any other precision stays."""
        return self.model_copy(update={"precision": precision}) if self.precision == AUTO_PRECISION else self


class Recipe(Part):
    """A whole experiment."""

    domain: str = Field(description="The field of application.")
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of everything that is drawn at random.")
    generator: Choice = Field(description="Where the training samples come from.")
    teacher: Choice = Field(description="The trained model that labels them.")
    student: Choice = Field(description="The network to be trained.")
    objective: Choice | Annotated[list[WeightedChoice], Field(min_length=1)] = Field(
        description="The training loss: one objective, or several in a weighted sum: [{name: ..., weight: 1}, ...]. "
        "Without one, that of the domain's activation: sigmoid soft-bce, softmax kl, identity mse.",
    )
    samples: Samples
    training: Training
    evaluation: Evaluation
    controls: list[Control] = Field(
        default_factory=list,
        description="Trained beside the student, which has to be better than the first: "
        "[{name: ..., generator: ..., targets: teacher}, ...].",
    )
    trainer: Hardware = Field(default_factory=Hardware)


def part_of(field: FieldInfo | None) -> type[BaseModel] | None:
    """The section that a field holds, or one that it may hold; None when it is a plain value."""
    annotation = field.annotation if field else None
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
