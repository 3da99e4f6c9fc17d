"""``cardiograph pretrain``: help, refusals, and the files that it writes."""

import json
from functools import partial

import pytest
import torch
from tests.cli.commands import call, failed

from cardiograph.pretrain import readings, training


@pytest.fixture(autouse=True)
def same_threads(monkeypatch):
    """Draw hearts in this process, and keep its threads."""
    monkeypatch.setattr(training, "pretrain", partial(training.pretrain, workers=0))
    monkeypatch.setattr(readings, "write_readings", partial(readings.write_readings, hearts=20))
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_help_says_what_is_learned_and_what_not_to_give():
    status, text = call("pretrain", "--help")
    words = " ".join(text.replace("│", " ").split())
    assert status == 0
    assert "without any diagnosis" in words
    assert "Do not give recordings on which you will test" in words


def test_a_file_as_output_and_an_empty_folder_of_records_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    status, error = failed("pretrain", tmp_path / "file")
    assert status == 2 and "is a file" in error["error"]
    status, error = failed("pretrain", tmp_path / "out", "--records", tmp_path)
    assert status == 3 and "no WFDB header" in error["error"]
    assert not (tmp_path / "out").exists()
    assert call("pretrain", tmp_path / "out", "--hearts", "0")[0] == 2


def test_it_writes_weights_card_and_curves_and_another_seed_is_refused(tmp_path):
    options = ("--hearts", 2, "--batch", 2, "--threads", 1)
    status, output = call("pretrain", tmp_path / "out", *options, "--json")
    assert status == 0
    result = json.loads(output)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"ecg.safetensors", "ecg-readings.safetensors", "card.md", "curves.json", "checkpoint.pt"}
    assert result["sha256"] in (tmp_path / "out" / "card.md").read_text()
    status, error = failed("pretrain", tmp_path / "out", *options, "--seed", 1)
    assert status == 5 and "other seed" in error["error"]
