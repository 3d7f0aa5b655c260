"""Where a run is kept: its own folder is found again, and one of another version of kdkit is never taken for it."""

import pytest

from kdkit.errors import UsageError
from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.runs.folder import FORMAT, choose_folder
from kdkit.runs.open_run import open_run

IDENTITY = "00000000000000ab"


def test_a_run_finds_its_folder_again(tmp_path):
    first = choose_folder(tmp_path, "toy", IDENTITY, None)
    first.update_manifest(format=FORMAT, identity=IDENTITY)
    assert choose_folder(tmp_path, "toy", IDENTITY, None).path == first.path
    assert choose_folder(tmp_path, "toy", IDENTITY, first.path).path == first.path


@pytest.mark.parametrize("older", [{}, {"format": FORMAT - 1}, {"format": FORMAT + 1}])
def test_a_named_folder_of_another_version_is_refused_in_one_sentence_and_a_default_one_passed_by(tmp_path, older):
    first = choose_folder(tmp_path, "toy", IDENTITY, None)
    first.update_manifest(identity=IDENTITY, domain="toy", **older)
    first.recipe_file.write_text("{}")
    with pytest.raises(UsageError, match="holds a run of another version of kdkit") as refusal:
        choose_folder(tmp_path, "toy", IDENTITY, first.path)
    assert "--out, or delete" in refusal.value.remedy
    with pytest.raises(UsageError, match="holds a run of another version of kdkit"):
        open_run(discover({}), first.path, Silence())
    second = choose_folder(tmp_path, "toy", IDENTITY, None)
    assert second.path.name == f"{first.path.name}-2"
    second.update_manifest(format=FORMAT, identity=IDENTITY)
    assert choose_folder(tmp_path, "toy", IDENTITY, None).path == second.path
