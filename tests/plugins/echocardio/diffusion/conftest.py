import pytest


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The folder of a tiny model in the published layout; not to be written to."""
    pytest.importorskip("diffusers", reason="the extra diffusion of kdkit-echocardio is not installed")
    from tiny import write_published

    return write_published(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The folder of the generator's own example; not to be written to."""
    pytest.importorskip("diffusers", reason="the extra diffusion of kdkit-echocardio is not installed")
    from kdkit_echocardio.diffusion.example import write_example

    return write_example(tmp_path_factory.mktemp("small"))
