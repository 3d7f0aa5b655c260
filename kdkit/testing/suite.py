"""Running a contract without pytest."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from unittest import SkipTest

from kdkit.testing.cause import Cause, find_cause, place_of
from kdkit.testing.component import ComponentContract
from kdkit.testing.promise import BrokenPromiseError, ContractAdvice, MissingExampleError, one_line


@dataclass(frozen=True)
class Broken:
    """A promise that is not kept: the test's name, what was seen, and what to do."""

    test: str
    what: str
    remedy: str


@dataclass
class Verdict:
    """How a component did. ``unverified``: why it could not be tried, if it could not.

    ``untried``: the promises that met a fault which another one had told of, or one that calls for the same remedy.
    ``is_usable``: False when one of the contract's ``essential`` promises is broken: what others make of the
    component then says nothing about them.
    """

    kept: list[str] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    unverified: str = ""
    is_usable: bool = True
    untried: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if self.unverified:
            return f"not verified: {self.unverified}"
        count = len(self.kept) + len(self.broken) + len(self.untried)
        untried = f", {len(self.untried)} not tried because of what is broken" if self.untried else ""
        return f"{len(self.kept)} of {count} promises kept{untried}"


def run_contract(
    contract: type[ComponentContract],
    leave_out: tuple[str, ...] = (),
    causes: set[Cause] | None = None,
    is_founded: bool = True,
) -> Verdict:
    """Try every promise of a contract, each on a new instance; those that do not apply are not counted.

    ``causes``: the exceptions that were told of already, in this contract or another's; new ones are added.
    ``is_founded``: False when the examples come from a component that is not usable. Then, as after the first broken
    promise that is essential, whatever fails counts as untried.
    """
    verdict, causes = Verdict(), set() if causes is None else causes
    try:
        contract().check_examples()
    except MissingExampleError as error:
        verdict.unverified = str(error)
        return verdict
    except Exception as error:
        if not is_founded or _is_known(error, causes):
            verdict.unverified = "its examples meet what is broken above"
            return verdict
        what = f"the examples: {one_line(error)}{place_of(error)}"
        verdict.broken.append(Broken("check_examples", what, "Correct the examples."))
        return verdict
    for name in promises(contract):
        if name not in leave_out:
            _try(contract, name, verdict, causes, is_founded)
    return verdict


def promises(contract: type[ComponentContract]) -> Iterator[str]:
    """The names of a contract's tests, those of its bases first."""
    seen = set()
    for cls in reversed(contract.__mro__):
        for name in vars(cls):
            if name.startswith("test_") and name not in seen:
                seen.add(name)
                yield name


def _try(
    contract: type[ComponentContract], name: str, verdict: Verdict, causes: set[Cause], is_founded: bool
) -> None:
    is_told = not (is_founded and verdict.is_usable)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            getattr(contract(), name)()
    except SkipTest:
        return
    except BrokenPromiseError as error:
        is_remedied = any(broken.remedy == error.remedy for broken in verdict.broken)
        if is_told or is_remedied or (error.__cause__ is not None and _is_known(error.__cause__, causes)):
            verdict.untried.append(name)
        else:
            _add(verdict, contract, Broken(name, error.what, error.remedy))
    except Exception as error:
        if is_told or _is_known(error, causes):
            verdict.untried.append(name)
        else:
            promise = (getattr(contract, name).__doc__ or name).strip().splitlines()[0].rstrip(".")
            what = f"{promise}? {one_line(error)}{place_of(error)}"
            _add(verdict, contract, Broken(name, what, "Make it work with the example given."))
    else:
        verdict.kept.append(name)
    verdict.advice += [str(warning.message) for warning in caught if issubclass(warning.category, ContractAdvice)]


def _add(verdict: Verdict, contract: type[ComponentContract], broken: Broken) -> None:
    verdict.broken.append(broken)
    verdict.is_usable = verdict.is_usable and broken.test not in contract.essential


def _is_known(error: BaseException, causes: set[Cause]) -> bool:
    """Whether the same exception was told of before; it is from now on."""
    cause = find_cause(error)
    known = cause in causes
    causes.add(cause)
    return known
