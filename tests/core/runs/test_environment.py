"""A run's manifest lists what it was made with, and nothing else that happens to be installed."""

from importlib.metadata import version

from kdkit.runs.environment import versions


def test_the_distributions_of_the_run_and_their_requirements_are_listed(prepare):
    listed = versions(prepare().experiment)
    assert list(listed)[:2] == ["python", "kdkit"]
    assert "kdkit-toy" in listed
    assert listed["torch"] == version("torch") and listed["numpy"] == version("numpy")
    # Installed here, and needed by plugins that take no part, or by an extra of kdkit's.
    assert not {"kdkit-echocardio", "opencv-python-headless", "opencv-python", "pytest", "onnx"} & set(listed)
