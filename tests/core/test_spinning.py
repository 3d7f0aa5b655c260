"""Threads that wait for each other are told to sleep soon, unless the user has decided otherwise."""

import os

import pytest

from kdkit.spinning import ROUNDS, limit_spinning


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    return os.environ


def test_rounds_of_waiting_are_limited(environment):
    limit_spinning()
    assert environment == {"GOMP_SPINCOUNT": str(ROUNDS)}


@pytest.mark.parametrize("decided", [{"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}])
def test_what_the_user_has_decided_stays(environment, decided):
    environment.update(decided)
    limit_spinning()
    assert environment == decided
