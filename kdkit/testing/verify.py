"""Verifying a whole plugin: the contract of every component, and a miniature run of every domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kdkit.contracts.adversary import Adversary
from kdkit.contracts.component import Component
from kdkit.contracts.domain import Domain
from kdkit.errors import KdkitError, PluginError
from kdkit.plugins.registry import Plugin, Registry
from kdkit.scratch import scratch_folder
from kdkit.testing.adversary import AdversaryContract
from kdkit.testing.cause import Cause, find_cause
from kdkit.testing.component import ComponentContract
from kdkit.testing.domain import DomainContract
from kdkit.testing.generator import GeneratorContract
from kdkit.testing.metric import MetricContract
from kdkit.testing.miniature import load_example, run_miniature
from kdkit.testing.network import NetworkContract
from kdkit.testing.objective import ObjectiveContract
from kdkit.testing.package_data import check_recipe_is_packaged
from kdkit.testing.probe import heavy_imports
from kdkit.testing.promise import one_line
from kdkit.testing.recipes import Recipes, Use
from kdkit.testing.sources import VerifiedSources
from kdkit.testing.student import StudentContract
from kdkit.testing.suite import Broken, Verdict, run_contract
from kdkit.testing.teacher import TeacherContract

CONTRACTS: dict[str, type[ComponentContract]] = {
    "generator": GeneratorContract,
    "teacher": TeacherContract,
    "student": StudentContract,
    "metric": MetricContract,
    "objective": ObjectiveContract,
    "domain": DomainContract,
}
MINIATURE = "test_a_miniature_run_ends_well"


@dataclass(frozen=True)
class Finding:
    """One line of what was found: of a component's promises, or of a domain's miniature run (then ``summary``)."""

    name: str
    verdict: Verdict
    summary: str = ""

    def __str__(self) -> str:
        return self.summary or str(self.verdict)


def verify(registry: Registry, plugin: Plugin) -> Iterator[Finding]:
    """Try every component of the plugin, yielding what was found as soon as it is known.

    When nothing is broken, the sources are noted: advice is given when they differ the next time although the
    declared version is the same.
    """
    sources = VerifiedSources.read()
    is_sound = True
    for finding in _findings(registry, plugin, sources):
        is_sound = is_sound and not finding.verdict.broken
        yield finding
    if is_sound:
        sources.write()


def _findings(registry: Registry, plugin: Plugin, sources: VerifiedSources) -> Iterator[Finding]:
    yield from _hook_module(plugin)
    recipes = Recipes(registry)
    causes: set[Cause] = set()
    broken: set[type[Component]] = set()
    unusable: set[type[Component]] = set()
    for kind, entries in plugin.entries.items():
        for entry in entries:
            try:
                component = registry.component(kind, entry.name)
            except PluginError as error:
                causes.add(find_cause(error))
                yield Finding(entry.name, Verdict(broken=[Broken("import", error.message, error.remedy)]))
                continue
            use = recipes.find(component, plugin)
            contract = _contract(kind, component, registry, use)
            # Samples, and what a teacher says of them, are the examples of all that comes later.
            is_founded = use is None or not unusable & use[0].classes
            verdict = run_contract(contract, (MINIATURE,), causes, is_founded)
            if verdict.unverified and use is None and (domains := recipes.unresolved(plugin)):
                verdict.unverified = f"its examples are those of the default recipe of {domains[0]}, which is broken"
            verdict.advice += sources.compare(component, plugin)
            if plugin.folder and issubclass(component, Domain):
                verdict.broken += filter(None, [check_recipe_is_packaged(plugin.folder, component)])
            yield Finding(entry.name, verdict)
            if verdict.broken:
                broken.add(component)
            if kind in ("generator", "teacher") and not verdict.is_usable:
                unusable.add(component)
    for entry in plugin.entries["domain"]:
        yield _miniature(registry, entry.name, broken, causes)


def _hook_module(plugin: Plugin) -> Iterator[Finding]:
    """A finding when the hook module is slow to import, which is felt in every command."""
    module = plugin.module.partition(":")[0]
    heavy = [] if plugin.file else heavy_imports(module)
    if heavy:
        what = f"importing {module} loads {', '.join(heavy)}: every command of kdkit would wait for that"
        remedy = "Return entries from its hooks and import nothing else; the classes belong into other modules."
        yield Finding(plugin.name, Verdict(broken=[Broken("hook module", what, remedy)]))


def _contract(
    kind: str, component: type[Component], registry: Registry, use: tuple[Use, Mapping[str, Any]] | None
) -> type[ComponentContract]:
    """The suite of this component: with its own examples where it has some, else with those of a recipe."""
    base = AdversaryContract if issubclass(component, Adversary) else CONTRACTS[kind]
    members: dict[str, Any] = {"component": component}
    if kind == "domain":
        members["registry"] = registry
    if use is not None:
        where, options = use
        if not _has_own(component, "example_options"):
            members["options"] = options
        if issubclass(base, NetworkContract):
            members["activation"] = where.experiment.domain.activation
        if issubclass(base, NetworkContract) and not _has_own(component, "example_inputs"):
            members["inputs"] = _Late(lambda: where.inputs)
        if issubclass(base, MetricContract) and not _has_own(component, "example_cases"):
            members["cases"] = _Late(lambda: where.cases)
    return type(base.__name__, (base,), members)


class _Late:
    """An attribute that is made when it is first needed: examples from a recipe may take a while."""

    def __init__(self, make: Any) -> None:
        self.make = make

    def __get__(self, instance: object, owner: type[object]) -> Any:
        return self.make()


def _has_own(component: type[Component], example: str) -> bool:
    """Whether the class gives this example itself, and does not inherit the contract's empty one."""
    return not getattr(component, example).__module__.startswith("kdkit.contracts.")


def _miniature(registry: Registry, domain: str, broken: set[type[Component]], causes: set[Cause]) -> Finding:
    untried = Finding(domain, Verdict(), "miniature run: not tried because of what is broken")
    if registry.component("domain", domain) in broken:
        return untried
    with scratch_folder("verify") as folder:
        try:
            experiment = load_example(registry, domain, folder)
            parts = {type(part) for part in (experiment.domain, *experiment.components().values())}
            if parts & broken:
                return untried
            miniature = run_miniature(registry, domain, folder)
            return Finding(domain, Verdict(advice=miniature.doubts), str(miniature))
        except KdkitError as error:
            if find_cause(error) in causes:
                return untried
            what, remedy = error.message, error.remedy
        except Exception as error:
            what, remedy = one_line(error), "Run it with --set samples.train=2 --set training.epochs=1 to see where."
    return Finding(domain, Verdict(broken=[Broken(MINIATURE, what, remedy)]), "miniature run: broken")
