"""Which precision a frozen network answers in: float32, or bfloat16 where that was measured to pay and to agree."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdkit.contracts.vocabulary import Activation
from kdkit.engine.inference import freeze, infer_logits
from kdkit.engine.trainer import make_trainer
from kdkit.errors import DataError, UsageError
from kdkit.recipe.schema import FULL_PRECISION, LOWER_PRECISIONS, Hardware

LEAST_GAIN = 1.15
LEAST_AGREEMENT = 0.999
# Seconds of a run, at most, where it takes more than one sample; and of measuring in turns.
RUN_SECONDS, BUDGET = 0.2, 0.4
LEAST_ROUNDS, MOST_ROUNDS = 3, 20

Call = Callable[[], Any]
# Seconds of a call in a precision, of which the device has finished the work.
Timer = Callable[[str, Call], float]


@dataclass(frozen=True)
class Trial:
    """A lower precision beside float32, on the same inputs.

    ``seconds``, ``full_seconds``: medians of a run. ``agreement``: the share, 0..1, of positions decided alike; of a
    training the cosine between the gradients.
    ``error``: why the network does not run in it; the others are None then.
    """

    precision: str
    seconds: float | None = None
    full_seconds: float | None = None
    agreement: float | None = None
    error: str = ""

    def pays(self, least_agreement: float = LEAST_AGREEMENT) -> bool:
        """Whether it is fast enough and near enough to be taken."""
        if self.seconds is None or self.full_seconds is None or self.agreement is None:
            return False
        return self.full_seconds >= LEAST_GAIN * self.seconds and self.agreement >= least_agreement


@dataclass(frozen=True)
class PrecisionChoice:
    """What was chosen, the trials that it was chosen by, and how many samples each of their runs took.

    ``reason``: why nothing was measured; empty where something was.
    """

    chosen: str
    trials: Sequence[Trial] = field(default_factory=list)
    samples: int = 0
    device: str = ""
    reason: str = ""

    def why(self, alike: str = "decides {} % alike") -> str:
        """What it was chosen by, in a few words; ``alike``: how it agrees, in hundredths, with float32."""
        if self.reason or not self.trials:
            return self.reason
        trial = self.trials[-1]
        if trial.seconds is None or trial.full_seconds is None or trial.agreement is None:
            return f"the network does not run in {trial.precision}"
        speed = f"{trial.precision} is {trial.full_seconds / trial.seconds:.2f} times as fast as float32"
        # Rounded down: 99.9 % is the limit, and what lies below it is to be seen to.
        return f"{speed} and {alike.format(format(math.floor(1e4 * trial.agreement) / 100, 'g'))}"

    def as_json(self) -> dict[str, Any]:
        """As the manifest of a run keeps it."""
        return asdict(self)


def choose_precision(
    build: Callable[[], torch.nn.Module],
    inputs: Sequence[np.ndarray],
    activation: Activation,
    hardware: Hardware,
    folder: Path,
    timer: Timer | None = None,
) -> PrecisionChoice:
    """The first lower precision that pays for this network on this machine, else float32.

    First the weights are cast to bfloat16; where the network does not run so, or it does not pay, autocast has its
    turn. ``build``: a new network with the same weights each time; ``inputs``: raw, as they are labelled. Values
    ("identity") hold no decision that could be compared, and a network without weights of its own computes elsewhere:
    those stay in float32. Raises :class:`kdkit.DataError` when the network cannot take the inputs in float32.
    """
    network = build()
    if activation == "identity":
        return PrecisionChoice(FULL_PRECISION, reason="values hold no decision that could be compared")
    if not list(network.parameters()):
        return PrecisionChoice(FULL_PRECISION, reason="the network has no weights that could be cast")
    infer, device = _prepare(network, hardware, FULL_PRECISION, folder)
    timer = timer or device_timer(device)
    infer(inputs[:1])
    first_seconds = timer(FULL_PRECISION, partial(infer, inputs[:1]))
    batch = inputs[: max(1, int(RUN_SECONDS / first_seconds))]
    full = partial(infer, batch)
    decisions = _decide(full(), activation)
    trials = []
    for precision in LOWER_PRECISIONS:
        try:
            lower = partial(_prepare(build(), hardware, precision, folder)[0], batch)
            logits = lower()
        except (DataError, UsageError) as error:
            trials.append(Trial(precision, error=str(error)))
            continue
        seconds, full_seconds = measure_in_turns(timer, precision, lower, full)
        trials.append(Trial(precision, seconds, full_seconds, _agreement(logits, decisions, activation)))
        if trials[-1].pays():
            break
    chosen = trials[-1].precision if trials[-1].pays() else FULL_PRECISION
    return PrecisionChoice(chosen, trials, len(batch), str(device))


def _prepare(
    network: torch.nn.Module, hardware: Hardware, precision: str, folder: Path
) -> tuple[Callable[[Sequence[np.ndarray]], list[torch.Tensor]], torch.device]:
    """A run of the network on raw inputs as labelling would run it, Lightning's way, and the device that it is on."""
    trainer = make_trainer(hardware.settle(precision), folder, [], enable_checkpointing=False)
    plugin, device = trainer.precision_plugin, trainer.strategy.root_device
    own = freeze(plugin.convert_module(network).to(device))

    def run(inputs: Sequence[np.ndarray]) -> list[torch.Tensor]:
        with plugin.predict_step_context():
            return infer_logits(own, inputs, device)

    return run, device


def measure_in_turns(timer: Timer, precision: str, lower: Call, full: Call) -> tuple[float, float]:
    """Medians of seconds: in turns, so that what else the machine does falls on both.

    What is slower in its first turn by as much as it should be faster is not measured further.
    """
    pairs: list[tuple[float, float]] = []
    end = time.monotonic() + BUDGET
    while len(pairs) < LEAST_ROUNDS or (time.monotonic() < end and len(pairs) < MOST_ROUNDS):
        pairs.append((timer(precision, lower), timer(FULL_PRECISION, full)))
        if pairs[0][0] > LEAST_GAIN * pairs[0][1]:
            break
    seconds, full_seconds = (round(statistics.median(column), 6) for column in zip(*pairs, strict=True))
    return seconds, full_seconds


def device_timer(device: torch.device) -> Timer:
    def seconds(_precision: str, call: Call) -> float:
        _synchronize(device)
        start = time.perf_counter()
        call()
        _synchronize(device)
        return time.perf_counter() - start

    return seconds


def _synchronize(device: torch.device) -> None:
    """Wait for what a GPU still does."""
    if device.type in ("cuda", "mps"):
        getattr(torch, device.type).synchronize()


def _decide(logits: Sequence[torch.Tensor], activation: Activation) -> list[torch.Tensor]:
    """What the logits decide at each position: the class, or yes and no."""
    return [one.argmax(-1) if activation == "softmax" else one > 0 for one in logits]


def _agreement(logits: Sequence[torch.Tensor], decisions: Sequence[torch.Tensor], activation: Activation) -> float:
    """The share of positions that are decided alike, 0..1; what is not finite decides nothing."""
    same = total = 0
    for one, own, other in zip(logits, _decide(logits, activation), decisions, strict=True):
        finite = one.isfinite().all(-1) if activation == "softmax" else one.isfinite()
        same += int(((own == other) & finite).sum())
        total += other.numel()
    return same / total
