"""Recipes of the toy domain."""

import pytest

from kdkit.errors import RecipeError
from kdkit.plugins.registry import discover
from kdkit.recipe.load import load_experiment


@pytest.fixture
def load(toy):
    def load(*settings, config=None):
        return load_experiment(discover({}), "toy", config, settings)

    return load


@pytest.fixture
def recipe(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def problems():
    """Call with something that raises RecipeError: {path: message} of its problems."""

    def collect(call):
        with pytest.raises(RecipeError) as caught:
            call()
        assert caught.value.exit_code == 2
        messages = {problem.path: problem.message for problem in caught.value.problems}
        assert len(messages) == len(caught.value.problems), "a place is named twice"
        for path, message in messages.items():
            assert path in str(caught.value) and message in str(caught.value)
        return messages

    return collect
