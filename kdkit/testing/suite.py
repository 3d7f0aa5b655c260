"""Running a contract without pytest."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from unittest import SkipTest

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
    """How a component did. ``unverified``: why it could not be tried, if it could not."""

    kept: list[str] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    unverified: str = ""

    def __str__(self) -> str:
        if self.unverified:
            return f"not verified: {self.unverified}"
        return f"{len(self.kept)} of {len(self.kept) + len(self.broken)} promises kept"


def run_contract(contract: type[ComponentContract], leave_out: tuple[str, ...] = ()) -> Verdict:
    """Try every promise of a contract, each on a new instance; those that do not apply are not counted."""
    verdict = Verdict()
    try:
        contract().check_examples()
    except MissingExampleError as error:
        verdict.unverified = str(error)
        return verdict
    except Exception as error:
        verdict.broken.append(Broken("check_examples", f"the examples: {one_line(error)}", "Correct the examples."))
        return verdict
    for name in promises(contract):
        if name not in leave_out:
            _try(contract, name, verdict)
    return verdict


def promises(contract: type[ComponentContract]) -> Iterator[str]:
    """The names of a contract's tests, those of its bases first."""
    seen = set()
    for cls in reversed(contract.__mro__):
        for name in vars(cls):
            if name.startswith("test_") and name not in seen:
                seen.add(name)
                yield name


def _try(contract: type[ComponentContract], name: str, verdict: Verdict) -> None:
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            getattr(contract(), name)()
    except SkipTest:
        return
    except BrokenPromiseError as error:
        verdict.broken.append(Broken(name, error.what, error.remedy))
    except Exception as error:
        promise = (getattr(contract, name).__doc__ or name).strip().splitlines()[0].rstrip(".")
        verdict.broken.append(Broken(name, f"{promise}? {one_line(error)}", "Make it work with the example given."))
    else:
        verdict.kept.append(name)
    verdict.advice += [str(warning.message) for warning in caught if issubclass(warning.category, ContractAdvice)]
