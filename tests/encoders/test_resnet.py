"""Encoders of the registry, and encoders from outside the package."""

import sys
import textwrap
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import torch

from cardiograph import registry
from cardiograph.config import EncoderConfig, RunConfig
from cardiograph.encoders.engine import EncoderFacts, load_engine, make_engine
from cardiograph.encoders.weights import build_network, embedding_width, find_encoder_weights, load_weights
from cardiograph.errors import ConfigError, EngineError, WeightsError
from cardiograph.registry import ENCODERS, encoder_spec
from cardiograph.run.pipeline import run

TOY = """
import torch

class Toy(torch.nn.Module):
    def __init__(self, seeded=True):
        super().__init__()
        if seeded:
            torch.manual_seed(0)
        self.linear = torch.nn.Linear(3 * 7 * 7, 24)

    def forward(self, pages):
        return self.linear(torch.nn.functional.adaptive_avg_pool2d(pages, 7).flatten(1))

def restless():
    return Toy(seeded=False)

def number():
    return 3
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    (tmp_path / "toy_encoder.py").write_text(textwrap.dedent(TOY))
    monkeypatch.syspath_prepend(tmp_path)
    yield "toy_encoder:Toy"
    sys.modules.pop("toy_encoder", None)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_width_in_the_registry_is_that_of_the_network(name):
    with torch.inference_mode():
        found = build_network(name)(torch.zeros(1, *encoder_spec(name).input_shape))
    assert found.shape == (1, encoder_spec(name).width)


@pytest.mark.exhaustive
def test_resnet50_gives_the_same_embedding_on_both_engines(tmp_path):
    weights = load_weights("random", seed=0, cache=tmp_path, architecture="resnet50")
    page = np.random.default_rng(0).normal(size=(3, 224, 224)).astype(np.float32)
    one, other = (
        next(make_engine(weights, engine, "f32", cache=tmp_path, architecture="resnet50").run([page]))
        for engine in ("torch", "openvino")
    )
    assert one.shape == (2048,)
    assert np.allclose(one, other, atol=1e-4 * np.abs(one).max())


def test_imagenet_weights_are_pinned_for_resnet18_alone(tmp_path):
    with pytest.raises(WeightsError, match=r"none are pinned for resnet50.*--weights random"):
        load_weights("imagenet", seed=0, cache=tmp_path, architecture="resnet50")


def test_a_cohort_is_learnt_and_served_with_an_encoder_of_the_users_own(toy, cohort_table, settings, tmp_path):
    from cardiograph.inference import Predictor, Query

    encoder = {"name": toy, "weights": "imagenet"}
    config = RunConfig.model_validate({**settings, "encoder": encoder, "model": {"name": "logistic", "baselines": []}})
    done = run(cohort_table, tmp_path / "run", config)
    predictor = Predictor.load(done.path)
    assert predictor.bundle.served.embedding_width == 24
    assert predictor.bundle.served.encoder.title == toy
    page = next((cohort_table.parent / "pages").iterdir())
    (answer,) = predictor.predict_many([Query(page)])
    assert 0 <= answer.probability <= 1
    assert toy in (done.path / "report.html").read_text()


def test_weights_from_a_file_are_known_by_the_code_that_uses_them_too(toy, tmp_path):
    from safetensors.torch import save_file

    save_file(build_network(toy).state_dict(), tmp_path / "toy.safetensors")
    given = {"seed": 0, "cache": tmp_path, "architecture": toy}
    first = load_weights(str(tmp_path / "toy.safetensors"), **given)
    assert load_weights(str(tmp_path / "toy.safetensors"), **given).sha256 == first.sha256
    module = sys.modules["toy_encoder"]
    forward = module.Toy.forward
    module.Toy.forward = lambda network, pages: 2 * forward(network, pages)
    assert load_weights(str(tmp_path / "toy.safetensors"), **given).sha256 != first.sha256


def test_an_entry_point_names_an_encoder(toy, monkeypatch, tmp_path):
    point = EntryPoint("toy", toy, registry.ENCODER_GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point] if group == point.group else [])
    assert embedding_width("toy") == 24
    find_encoder_weights(EncoderConfig(name="toy"), cache=tmp_path)
    weights = load_weights("imagenet", seed=0, cache=tmp_path, architecture="toy")
    assert weights.source == "those that come with toy"
    engine = make_engine(weights, "torch", "f32", cache=tmp_path, architecture="toy")
    facts = EncoderFacts(weights.sha256, weights.source, "torch", "f32", "", architecture="toy")
    page = np.ones((3, 224, 224), np.float32)
    assert np.array_equal(*(next(each.run([page])) for each in (engine, load_engine(engine.contents(), facts))))


def test_a_bundle_cannot_name_a_module_to_import(toy, tmp_path):
    facts = EncoderFacts("", "", "torch", "f32", "", architecture=toy)
    with pytest.raises(EngineError, match="may not name a module"):
        load_engine(tmp_path, facts)
    assert "toy_encoder" not in sys.modules


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toy_encoder:restless", "other weights the second time"),
        ("toy_encoder:number", "returned int; an encoder factory returns a torch module"),
        ("toy_encoder:nothing", "cannot be imported"),
        ("nowhere_at_all:Toy", "cannot be imported"),
    ],
)
def test_a_factory_that_does_not_do_is_refused_by_name(toy, tmp_path, name, message):
    with pytest.raises((WeightsError, ConfigError), match=message):
        load_weights("imagenet", seed=0, cache=tmp_path, architecture=name)


def test_a_name_that_nobody_has_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match=r"no encoder is called 'resnet99'.*resnet18, resnet50"):
        EncoderConfig(name="resnet99")


def test_an_attention_map_needs_a_residual_network(toy, tmp_path):
    weights = load_weights("imagenet", seed=0, cache=tmp_path, architecture=toy)
    for engine in ("torch", "openvino"):
        with pytest.raises(EngineError, match="residual network"):
            make_engine(weights, engine, "f32", cache=tmp_path, architecture=toy).maps(
                np.ones((3, 224, 224), np.float32)
            )
