"""The metrics of several models, for all samples and for each group of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kdkit.contracts.metric import Metric, Score
from kdkit.evaluation.metric_update import empty_metric
from kdkit.plugins.calls import name_component
from kdkit.runs.folder import HUMANS

ALL = "all"

Scores = dict[str, dict[str, dict[str, Score]]]


def _compute(metric: Metric, model: str, seed: int) -> Score:
    with name_component(metric, f"failed on the {model}'s predictions taken together"):
        return metric.compute(seed)


class GroupedMetrics:
    """A metric of its own for each model and group."""

    def __init__(self, models: Sequence[str], metrics: Mapping[str, Metric]) -> None:
        self.models = models
        self.metrics = metrics
        self.groups: dict[str, dict[str, dict[str, Metric]]] = {}
        self.of_group(ALL)

    def of_group(self, group: str) -> dict[str, dict[str, Metric]]:
        """Model and metric's name to the metric of this group, made where the group is new."""
        if group not in self.groups:
            self.groups[group] = {
                model: {name: empty_metric(metric) for name, metric in self.metrics.items()} for model in self.models
            }
        return self.groups[group]

    def scores(self, seed: int) -> Scores:
        """Model, group and metric's name to score, the group "all" first; without people where none were measured."""
        groups = [ALL, *sorted(set(self.groups) - {ALL})]
        scores = {
            model: {
                group: {name: _compute(metric, model, seed) for name, metric in self.groups[group][model].items()}
                for group in groups
            }
            for model in self.models
        }
        if HUMANS in scores and not any(score.n for score in scores[HUMANS][ALL].values()):
            del scores[HUMANS]
        return scores
