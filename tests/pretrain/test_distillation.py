import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors import safe_open
from tests.cli.commands import call, failed
from torch import nn

from cardiograph.ecg.draw.paper import PaperLayout
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.encoders.weights import build_network, load_weights
from cardiograph.errors import RunError
from cardiograph.imaging.prepare import to_input
from cardiograph.pretrain import distillation, training
from cardiograph.pretrain.distillation import PageHeads, PageStream, as_input
from cardiograph.pretrain.drawn_pages import random_layout, random_view, shown_part
from cardiograph.pretrain.stream import SHARES, Scales
from cardiograph.pretrain.training import PageRecipe, Trained
from cardiograph.pretrain.weights_file import write_weights
from cardiograph.synthesis.clinical_heart import PARAMETERS


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Scales of the targets without 768 hearts, small pages, and no other process."""
    ones = np.ones(len(PARAMETERS), np.float32)
    scale = Scales(
        0 * ones, ones, np.ones((len(MEASUREMENTS), len(SHARES)), np.float32), np.ones(len(MEASUREMENTS), np.float32)
    )
    monkeypatch.setattr(distillation, "scales", lambda: scale)
    monkeypatch.setattr(distillation, "_PILOT", 4)
    monkeypatch.setattr(distillation, "SIDES", ((1.0, 32),))
    monkeypatch.setattr(distillation, "distil", partial(distillation.distil, workers=0))
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny(monkeypatch):
    """A small network, and noise instead of pages."""
    monkeypatch.setattr(distillation, "page_network", lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 32**2, 512)))
    noise = lambda *arguments: arguments[-1].integers(0, 256, (224, 224, 3), dtype=np.uint8)  # noqa: E731
    monkeypatch.setattr(distillation, "random_view", noise)


def test_a_batch_is_always_the_same_and_differs_from_the_next():
    stream = PageStream(PageRecipe(batch=2, seed=1))
    one, again, other = stream[4], stream[4], stream[5]
    assert one.pages.shape == (2, 224, 224, 3) and one.pages.dtype == np.uint8
    np.testing.assert_array_equal(one.pages, again.pages)
    np.testing.assert_array_equal(one.teacher, again.teacher)
    assert (one.pages != other.pages).mean() > 0.5
    assert one.pages.std((1, 2, 3)).min() > 5, "each page shows something"


def test_the_teacher_sees_what_the_page_shows():
    signal = np.random.default_rng(0).normal(size=(12, 1000)).astype(np.float32)
    shown = np.isfinite(shown_part(signal, PaperLayout()))
    assert shown[LEADS.index("II")].all(), "the rhythm strip"
    assert np.flatnonzero(shown[LEADS.index("V1")])[[0, -1]].tolist() == [500, 749]
    assert shown.sum() == 1000 + 11 * 250


def test_pages_differ_in_layout_and_paper_and_follow_their_signal():
    rng = np.random.default_rng(0)
    layouts = [random_layout(rng) for _ in range(60)]
    assert {len(layout.rows) for layout in layouts} >= {3, 4, 6, 12}
    assert len({layout.paper for layout in layouts}) > 30
    signal = np.zeros((12, 1000), np.float32)
    layout = replace(layouts[0], rows=PaperLayout().rows)
    flat, steep = (
        random_view(each, layout, np.random.default_rng(3)) for each in (signal, signal + np.sin(np.arange(1000) / 4))
    )
    assert (flat != steep).any(2).mean() > 0.05


def test_the_input_of_the_training_is_that_of_the_encoder():
    views = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    expected = np.stack([to_input(view) for view in views])
    np.testing.assert_allclose(as_input(torch.from_numpy(views)).numpy(), expected, atol=1e-5)
    assert as_input(torch.from_numpy(views), 112).shape == (2, 3, 112, 112)


def test_the_term_of_the_teacher_is_zero_for_its_own_values():
    heads, batch = PageHeads(), PageStream(PageRecipe(batch=2))[0]
    with torch.no_grad():
        heads.teacher.weight.copy_(torch.eye(512))
        heads.teacher.bias.zero_()
    own = (torch.from_numpy(batch.teacher) - heads.teacher_middle) / heads.teacher_spread
    assert float(heads.terms(lambda _: own, batch, 32)["teacher"].detach()) == pytest.approx(0, abs=1e-5)
    assert heads.terms(lambda _: -own, batch, 32)["teacher"] > 2


def test_the_weights_fit_the_network_of_pages_and_are_small(tmp_path):
    network = build_network("resnet18-ecg").to(memory_format=torch.channels_last)
    path = tmp_path / distillation.PAGE_WEIGHTS
    digest = write_weights(Trained(network, PageHeads(), [], 0.0), PageRecipe(), None, path, preparation="input=1")
    weights = load_weights(str(path), seed=0, cache=tmp_path, architecture="resnet18-ecg")
    assert weights.sha256 == digest
    assert path.stat().st_size < 23e6
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["preparation"]) == "input=1"


def test_the_command_writes_its_files_and_refuses_another_recipe(tmp_path, tiny):
    options = ("--encoder", "resnet18-ecg", "--hearts", 4, "--batch", 2, "--threads", 1)
    status, output = call("pretrain", tmp_path / "out", *options, "--json")
    assert status == 0
    result = json.loads(output)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"resnet18-ecg.safetensors", "card.md", "curves.json", "checkpoint.pt"}
    text = (tmp_path / "out" / "card.md").read_text()
    assert result["sha256"] in text and "each on one page" in text
    status, error = failed("pretrain", tmp_path / "out", *options, "--seed", 1)
    assert status == 5 and "other seed" in error["error"]
    with pytest.raises(RunError, match="other encoder"):
        distillation.distil(PageRecipe(hearts=4, batch=2, encoder="resnet50"), tmp_path / "out")


def test_an_interrupted_training_resumes_to_the_same_weights(tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    recipe = PageRecipe(hearts=6, batch=2)
    whole = distillation.distil(recipe, tmp_path / "whole")

    def stop(steps):
        if (tmp_path / "parts" / "checkpoint.pt").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distillation.distil(recipe, tmp_path / "parts", each=stop)
    counted = []
    parts = distillation.distil(recipe, tmp_path / "parts", each=counted.append)
    assert counted == [1, 1, 1], "the first step is not repeated"
    torch.testing.assert_close(parts.network.state_dict(), whole.network.state_dict(), rtol=0, atol=0)


def test_mixed_precision_learns_almost_the_same(tmp_path, tiny, monkeypatch):
    recipe = PageRecipe(hearts=4, batch=2)
    exact = distillation.distil(recipe, tmp_path / "exact")
    monkeypatch.setattr(training, "mixed_precision", lambda: torch.autocast("cpu", torch.bfloat16))
    mixed = distillation.distil(recipe, tmp_path / "mixed")
    for name, expected in exact.network.state_dict().items():
        found = mixed.network.state_dict()[name]
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=0, atol=5e-3)
        assert not torch.equal(found, expected)
