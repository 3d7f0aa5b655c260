"""Checking that a contract notices exactly the promise that is broken."""

from __future__ import annotations

from typing import Any

from kdkit.testing.component import ComponentContract
from kdkit.testing.suite import Verdict, promises, run_contract

# They start a process each time; it is enough to try them with the components that are about them.
SLOW = ("test_fingerprint_is_stable", "test_importing_it_is_cheap", "test_a_miniature_run_ends_well")


def verdict_on(
    contract: type[ComponentContract], component: type[Any], leave_out: tuple[str, ...] = (), **attributes: Any
) -> Verdict:
    return run_contract(type("Contract", (contract,), {"component": component, **attributes}), leave_out)


def check_only(test: str, contract: type[ComponentContract], component: type[Any], **attributes: Any) -> None:
    """This test fails, in words for an author, and all others that apply pass."""
    leave_out = () if test in SLOW else SLOW
    verdict = verdict_on(contract, component, leave_out, **attributes)
    assert verdict.unverified == ""
    assert [broken.test for broken in verdict.broken] == [test], verdict.broken
    (broken,) = verdict.broken
    assert broken.what
    assert broken.remedy.endswith((".", ")"))


def check_each_has_a_breaker(contract: type[ComponentContract], broken: list[str]) -> None:
    """No promise of the contract's own is left without a component that breaks it."""
    assert set(promises(contract)) - set(promises(ComponentContract)) - set(broken) == set()
