"""How the answers of several teachers become one.

``answers``: logits (members, batch, \\*answer shape), float; ``shares``: (members,), adding up to 1. Each function
named by ``combine`` returns logits (batch, \\*answer shape).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# The logit of a decision: within half a step of 8 bits from 0 and 1.
CERTAIN = 12.0
STAPLE_ROUNDS = 100
STAPLE_CHANGE = 1e-7
# Sensitivity and specificity start, and stay, this far from 0 and 1, where no evidence could outweigh them.
STAPLE_EDGE = 1e-5


def mean(answers: Tensor, activation: str, shares: Tensor) -> Tensor:
    """The mean of the probabilities, or of the values; in logarithms, so that certain answers stay finite."""
    equal = torch.full_like(shares, 1 / len(answers))
    return weighted(answers, activation, equal)


def weighted(answers: Tensor, activation: str, shares: Tensor) -> Tensor:
    """As :func:`mean`, each member with its share."""
    parts = shares.view(-1, *[1] * (answers.ndim - 1))
    if activation == "identity":
        return (parts * answers).sum(0)
    logs = parts.log()
    if activation == "softmax":
        return (F.log_softmax(answers, -1) + logs).logsumexp(0)
    return (F.logsigmoid(answers) + logs).logsumexp(0) - (F.logsigmoid(-answers) + logs).logsumexp(0)


def median(answers: Tensor, activation: str, shares: Tensor) -> Tensor:
    """The median of the probabilities, class by class and scaled to add up to 1; or of the values."""
    ordered = (F.log_softmax(answers, -1) if activation == "softmax" else answers).sort(0).values
    count = len(answers)
    middle = ordered[(count - 1) // 2 : count // 2 + 1]
    equal = shares.new_full((len(middle),), 1 / len(middle))
    if activation != "softmax":
        return weighted(middle, activation, equal)
    return F.log_softmax((middle + equal.log().view(-1, *[1] * (middle.ndim - 1))).logsumexp(0), -1)


def majority(answers: Tensor, activation: str, shares: Tensor) -> Tensor:
    """What most members decide, as a certain answer; of equally many, what the mean of the probabilities says."""
    # Half a vote decides between equally many votes, and never against one more.
    if activation == "sigmoid":
        votes = (answers > 0).float().sum(0) + 0.5 * answers.sigmoid().mean(0)
        return torch.where(votes > len(answers) / 2 + 0.25, CERTAIN, -CERTAIN)
    classes = answers.shape[-1]
    votes = F.one_hot(answers.argmax(-1), classes).float().sum(0) + 0.5 * answers.softmax(-1).mean(0)
    return CERTAIN * F.one_hot(votes.argmax(-1), classes).float()


def staple(answers: Tensor, activation: str, shares: Tensor) -> Tensor:
    """The log-odds of the true mask by STAPLE, each sample by itself, at most ±CERTAIN."""
    decisions = (answers > 0).flatten(2).movedim(1, 0)
    posteriors = torch.stack([_staple(sample) for sample in decisions])
    return posteriors.view(answers.shape[1:]).to(answers.dtype).clamp(-CERTAIN, CERTAIN)


def _staple(decisions: Tensor) -> Tensor:
    """Log-odds (values,) of the truth from decisions, bool (members, values).

    Values about which all members decide alike are alike: the estimate runs over the 2^members patterns of decisions.
    """
    members = len(decisions)
    bits = torch.arange(members, device=decisions.device)
    pattern = (decisions.long() << bits[:, None]).sum(0)
    counts = torch.bincount(pattern, minlength=1 << members).double()
    decided = ((torch.arange(1 << members, device=decisions.device) >> bits[:, None]) & 1).double()
    total = counts.sum()
    prior = ((decided * counts).sum() / (members * total)).clamp(STAPLE_EDGE, 1 - STAPLE_EDGE)
    sensitivity = specificity = torch.full((members, 1), 1 - STAPLE_EDGE, dtype=torch.double, device=decisions.device)
    for _ in range(STAPLE_ROUNDS):
        odds = prior.logit() + (
            decided * (sensitivity / (1 - specificity)).log()
            + (1 - decided) * ((1 - sensitivity) / specificity).log()
        ).sum(0)
        inside, outside = counts * odds.sigmoid(), counts * (-odds).sigmoid()
        before = sensitivity, specificity
        sensitivity = _rate((decided * inside).sum(1), inside.sum(), before[0])
        specificity = _rate(((1 - decided) * outside).sum(1), outside.sum(), before[1])
        change = max(
            float((new - old).abs().max()) for new, old in zip((sensitivity, specificity), before, strict=True)
        )
        if change < STAPLE_CHANGE:
            break
    return odds[pattern]


def _rate(hits: Tensor, of: Tensor, before: Tensor) -> Tensor:
    """A share (members, 1), kept as it was where there is nothing to estimate it from."""
    if float(of) < STAPLE_EDGE:
        return before
    return (hits / of).clamp(STAPLE_EDGE, 1 - STAPLE_EDGE)[:, None]


def agreement(answers: Tensor, activation: str, shares: Tensor) -> Tensor:
    """1 - D / D_max with the Jensen-Shannon divergence of the members' distributions, float 0..1.

    For each value under "sigmoid", in the shape of an answer; for each distribution under "softmax", last axis 1.
    """
    parts = shares.view(-1, *[1] * (answers.ndim - 1))
    if activation == "sigmoid":
        p = answers.sigmoid()
        divergence = _binary_entropy((parts * p).sum(0)) - (parts * _binary_entropy(p)).sum(0)
        outcomes = 2
    else:
        p = answers.softmax(-1)
        mixed, single = (parts * p).sum(0), torch.special.entr(p).sum(-1, keepdim=True)
        divergence = torch.special.entr(mixed).sum(-1, keepdim=True) - (parts * single).sum(0)
        outcomes = answers.shape[-1]
    most = math.log(min(len(answers), max(2, outcomes)))
    return (1 - divergence / most).clamp(0, 1)


def _binary_entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p) + torch.special.entr(1 - p)
