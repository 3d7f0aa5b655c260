"""The loss that a student is trained by: a weighted sum of objectives, on logits and on features."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch

from kdkit.contracts.objective import FeatureObjective
from kdkit.engine.features import check_paths, logits_and_features
from kdkit.engine.guard import title_of_network
from kdkit.engine.inference import freeze
from kdkit.errors import DataError, PluginError
from kdkit.plugins.calls import call, title_of
from kdkit.recipe.experiment import Experiment, Term


class Criterion(torch.nn.Module):
    """The terms of a recipe's objective, with the adapters that some of them learn.

    ``teacher``: its frozen network where a term looks at its features, else None. It is held outside of every state
    dict: a checkpoint holds the student and the adapters, never the teacher.
    """

    def __init__(self, terms: Sequence[Term], teacher: torch.nn.Module | None = None) -> None:
        super().__init__()
        self.terms = list(terms)
        self.adapters = torch.nn.ModuleDict()
        self._teacher = (teacher,)  # a tuple, in which torch does not look for modules

    @property
    def teacher(self) -> torch.nn.Module | None:
        return self._teacher[0]

    def add_adapters(self, network: torch.nn.Module, inputs: torch.Tensor) -> None:
        """Make the adapters for features of the shapes that these inputs, (batch, \\*sample shape), give rise to.

        Raises :class:`DataError` when compared modules give out unequal numbers of features.
        """
        if self.teacher is None or not self._pairs():
            return
        training = network.training
        with torch.no_grad():
            _, student = logits_and_features(network.eval(), inputs, self._paths(0))
            _, teacher = logits_and_features(self.teacher, inputs, self._paths(1))
        network.train(training)
        for key, objective, (path, teacher_path) in self._pairs():
            count, teacher_count = len(student[path]), len(teacher[teacher_path])
            if count != teacher_count:
                raise DataError(
                    f"for the same samples the student's module {path!r} gives out features for {count} and "
                    f"the teacher's {teacher_path!r} for {teacher_count}",
                    "One of them takes frames for samples: its network needs a method gather_features.",
                )
            adapter = call(objective.adapter, student[path].shape[1:], teacher[teacher_path].shape[1:])
            if adapter is not None:
                self.adapters[key] = adapter

    def forward(
        self,
        network: torch.nn.Module,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        weight: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The student's loss on a batch, and by its name the value of each term before its weight in the sum.

        ``weight``: that of the targets, where the teacher gives one. Raises :class:`DataError` when student
        and teacher give logits of different shapes, and :class:`PluginError` when an objective takes no weight.
        """
        logits, features = logits_and_features(network, inputs, self._paths(0))
        if logits.shape != targets.shape:
            raise DataError(
                f"the student's logits are of shape {tuple(logits.shape)}, the teacher's targets of "
                f"{tuple(targets.shape)}",
                "Student and teacher must give logits of the same shape.",
            )
        if torch.is_grad_enabled() and not logits.requires_grad:
            raise PluginError(
                f"{title_of_network(network)} gives logits that depend on no weight of its own, so it cannot learn",
                "Leave .detach(), torch.no_grad() and numpy out of its forward, and its weights trainable.",
            )
        values = {
            term.name: _logits_loss(term, logits.float(), targets, weight)
            for term in self.terms
            if not isinstance(term.objective, FeatureObjective)
        }
        values |= self._feature_losses(inputs, features)
        if len(self.terms) == 1:
            return values[self.terms[0].name], values
        return torch.stack([term.weight * values[term.name] for term in self.terms]).sum(), values

    def _feature_losses(self, inputs: torch.Tensor, student: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """By its name the value of each term on features; ``student``: the student's, by the paths of its modules."""
        if self.teacher is None or not self._pairs():
            return {}
        with torch.no_grad():
            _, teacher = logits_and_features(self.teacher, inputs, self._paths(1))
        values: dict[str, list[torch.Tensor]] = {}
        for key, objective, (path, teacher_path) in self._pairs():
            features = self.adapters[key](student[path]) if key in self.adapters else student[path]
            name = key.rpartition("/")[0]
            values.setdefault(name, []).append(call(objective.loss, features, teacher[teacher_path]))
        return {name: torch.stack(losses).mean() for name, losses in values.items()}

    def _pairs(self) -> list[tuple[str, FeatureObjective, tuple[str, str]]]:
        """Every pair of compared modules, with its objective and a key of its own."""
        return [
            (f"{term.name}/{i}", term.objective, pair)
            for term in self.terms
            if isinstance(term.objective, FeatureObjective)
            for i, pair in enumerate(call(term.objective.pairs))
        ]

    def _paths(self, side: int) -> list[str]:
        return [pair[side] for _, _, pair in self._pairs()]


def _logits_loss(
    term: Term, logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None
) -> torch.Tensor:
    loss, given = term.objective.loss, [logits, targets, *([] if weight is None else [weight])]
    before = _versions(given)
    if weight is None:
        return _check_loss(term, call(loss, *given), given, before)
    try:
        inspect.signature(loss).bind(logits, targets, weight)
    except TypeError as error:
        raise PluginError(
            f"the teacher weighs its targets, and the objective {term.name} takes no weight",
            "Its method is to be loss(self, logits, targets, weight=None); or choose another objective, or a teacher "
            "that does not weigh (an ensemble with weigh: false).",
        ) from error
    return _check_loss(term, call(loss, *given), given, before)


def _versions(tensors: Sequence[torch.Tensor]) -> list[int]:
    """What counts how often each was changed in place; 0 where nothing counts."""
    return [0 if tensor.is_inference() else tensor._version for tensor in tensors]


def _check_loss(
    term: Term, value: torch.Tensor, given: Sequence[torch.Tensor], before: Sequence[int]
) -> torch.Tensor:
    """The loss; raises :class:`PluginError` where the logits get no gradient, or what was ``given`` was changed."""
    if _versions(given) != before:
        raise PluginError(
            f"{title_of(term.objective)} changes its logits, targets or weight in place, which others are given, too",
            "Have its loss() compute new tensors: a + b in place of a += b, and no method that ends with _.",
        )
    if torch.is_grad_enabled() and not _depends(value, given[0]):
        raise PluginError(
            f"{title_of(term.objective)} gives a loss of which no gradient reaches the logits, so nothing is learnt "
            "from it",
            "Have its loss() compute with the logits themselves, without .detach(), .item(), numpy or argmax.",
        )
    return value


def _depends(value: torch.Tensor, logits: torch.Tensor) -> bool:
    """Whether a gradient of ``value`` reaches the logits."""
    if logits.grad_fn is None:
        return value.requires_grad
    nodes, seen = [value.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is logits.grad_fn:
            return True
        if node is not None and node not in seen:
            seen.add(node)
            nodes.extend(following for following, _ in node.next_functions)
    return False


def make_criterion(experiment: Experiment, network: torch.nn.Module, with_teacher: bool = False) -> Criterion:
    """The criterion of a recipe, still without adapters.

    ``with_teacher``: hold the teacher even where no objective looks at its features. Raises
    :class:`kdkit.errors.UsageError` when an objective names a module that one of the networks does not have.
    """
    objectives = [term.objective for term in experiment.terms if isinstance(term.objective, FeatureObjective)]
    if not objectives and not with_teacher:
        return Criterion(experiment.terms)
    with torch.random.fork_rng(devices=[]):  # building it must not change what the student draws
        teacher = freeze(call(experiment.teacher.build))
    for objective in objectives:
        check_paths(network, [path for path, _ in call(objective.pairs)], "student")
        check_paths(teacher, [path for _, path in call(objective.pairs)], "teacher")
    return Criterion(experiment.terms, teacher)
