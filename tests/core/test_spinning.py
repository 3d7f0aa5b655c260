"""Threads that wait for each other are told to sleep soon, unless the user has decided otherwise."""

import os

import pytest

from kdkit.spinning import ROUNDS, limit_spinning

NAMES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


@pytest.fixture(autouse=True)
def _undecided(monkeypatch):
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that it is as before when the test ends
        monkeypatch.delenv(name)


def settings():
    return {name: os.environ[name] for name in NAMES if name in os.environ}


def test_rounds_of_waiting_are_limited():
    limit_spinning()
    assert settings() == {"GOMP_SPINCOUNT": str(ROUNDS)}


@pytest.mark.parametrize("decided", [{"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}])
def test_what_the_user_has_decided_stays(monkeypatch, decided):
    for name, value in decided.items():
        monkeypatch.setenv(name, value)
    limit_spinning()
    assert settings() == decided
