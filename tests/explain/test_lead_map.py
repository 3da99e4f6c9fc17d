"""Maps of leads: attributions sum to the change of the score, follow the network, and end at the samples they are of."""

import base64
import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.contracts.conftest import learn, make_problem
from tests.explain.conftest import case_of

from cardiograph.cli.explain import write_map
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.encoders.ecg_network import EcgNetwork
from cardiograph.encoders.engine import TorchEngine
from cardiograph.encoders.leads_input import leads_input
from cardiograph.errors import ConfigError, EngineError
from cardiograph.explain import lead_map
from cardiograph.explain.lead_map import WAVES, attribute_leads, lead_gradients
from cardiograph.explain.map_check import MappedPage, map_gains
from cardiograph.explain.saliency import PageMap
from cardiograph.inference import Predictor
from cardiograph.service.web.images import lead_map as lead_map_url
from cardiograph.synthesis.clinical_heart import ClinicalHeart
from cardiograph.synthesis.clinical_recording import record_hearts


class Network(torch.nn.Module):
    """The network of leads, whose first values are the embedding of the problem."""

    def __init__(self, seed, width):
        super().__init__()
        torch.manual_seed(seed)
        self.leads, self.width = EcgNetwork().eval(), width

    def forward(self, x):
        return 100 * self.leads(x)[:, : self.width]


class Engine(TorchEngine):
    def __init__(self, network):
        self._torch, self._device, self._network = torch, "cpu", network


@pytest.fixture(scope="module")
def ecg():
    signal = record_hearts([ClinicalHeart()], np.random.default_rng(0)).signal[0]
    return Ecg(signal, 100.0, "test")


@pytest.fixture(scope="module")
def case(ecg):
    dataset = make_problem(signal=3.0)
    predictor = learn(dataset, "logistic")[2]
    served = replace(
        predictor.bundle.served, encoder=SimpleNamespace(readout="final", architecture="ecg", reads="leads")
    )
    found = case_of(predictor, dataset, dataset.rows("test")[0])
    engine = Engine(Network(0, found.queries.image.shape[1]))
    predictor = Predictor(replace(predictor.bundle, served=served), engine)
    (embedding,) = engine.run([leads_input(ecg)])
    queries = replace(found.queries, image=embedding[None])
    attached = predictor.attach(queries)
    patient = replace(found.patient, leads=ecg)
    return replace(
        found,
        predictor=predictor,
        patient=patient,
        queries=queries,
        attached=attached,
        scores=predictor.score_attached(attached, queries.ties),
    )


@pytest.fixture(scope="module")
def gradients(case):
    return lead_gradients(case, steps=32)


def test_attributions_sum_to_the_score_less_that_of_flat_leads(case, gradients, ecg):
    """The expected scores come from the predictor's own methods, not from the path."""
    signed, change = gradients
    flat = leads_input(ecg)
    flat[:12] = 0
    (embedding,) = case.predictor.engine.run([flat])
    other = case.predictor.fuse(replace(case.queries, image=embedding[None]))
    logits = case.predictor.logits(torch.from_numpy(other.values), case.attached.neighbours)[0]
    expected = case.raw - float(logits[1] - logits[0])
    assert abs(expected) > 0.05
    assert change == pytest.approx(expected, abs=1e-4)
    assert signed.sum() == pytest.approx(expected, abs=0.02 * np.abs(signed).sum())


def test_a_randomised_network_gives_another_map(case, gradients):
    """Model randomisation: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018."""
    predictor = Predictor(case.predictor.bundle, Engine(Network(1, case.queries.image.shape[1])))
    other = lead_gradients(replace(case, predictor=predictor), steps=8)[0]
    assert abs(np.corrcoef(gradients[0].ravel(), other.ravel())[0, 1]) < 0.5


def test_deleting_what_the_map_marks_moves_the_score_more_than_deleting_at_random(case, gradients, ecg):
    direction = int(np.sign(gradients[1]))
    page = MappedPage(case, leads_input(ecg), PageMap(gradients[0], direction))
    wrong = replace(page, map=PageMap(-gradients[0], direction))
    deletion, insertion, _ = map_gains([page, wrong], 0, np.random.default_rng(0))
    assert deletion > 0 and insertion > 0
    assert map_gains([wrong, page], 0, np.random.default_rng(0))[0] < 0


def test_attributions_return_to_the_samples_that_they_are_of(ecg):
    """Twelve leads of 2.5 s: an input's first sample is the first of the lead's own time; beats are spread."""
    signal = np.full_like(ecg.signal, np.nan)
    for number in range(12):
        signal[number, number // 3 * 250 : number // 3 * 250 + 250] = ecg.signal[number, number // 3 * 250 :][:250]
    signed = np.zeros((12, 1112))
    signed[6, 3] = 2.0
    found = attribute_leads(signed, ecg.replace(signal=signal))
    assert np.flatnonzero(found.values[6]).tolist() == [503] and found.values.sum() == 2.0
    assert found.leads["V1"] == 1.0
    signed = np.zeros((12, 1112))
    signed[1, 1000 + 40] = 3.0  # the middle of the QRS complex
    found = attribute_leads(signed, ecg)
    assert found.values.sum() == pytest.approx(3.0) and (found.values[1] != 0).sum() > 5
    assert found.waves["QRS"] == pytest.approx(1.0) and list(found.waves) == list(WAVES)


def test_the_picture_marks_the_samples_of_the_map(ecg):
    signed = np.zeros((12, 1112))
    signed[6, 520:540] = 1.0  # V1 shows its own time, 5 s to 7.5 s
    axes = attribute_leads(signed, ecg).plot().axes[0]
    marked = [each for each in axes.collections if len(each.get_colors()) and each.get_linewidth()[0] > 3]
    places = np.concatenate([segment[:, 0] for each in marked for segment in each.get_segments()])
    assert places.min() == pytest.approx(10 + 5.2 * 25, abs=1.5) and places.max() == pytest.approx(
        10 + 5.4 * 25, abs=1.5
    )


def test_other_weights_without_gradients_are_refused_with_a_remedy(case, monkeypatch):
    served = replace(case.predictor.bundle.served, probe=(0.0,) * 512)
    predictor = Predictor(replace(case.predictor.bundle, served=served), SimpleNamespace())
    with pytest.raises(EngineError, match="--engine torch"):
        lead_map.differentiable_network(replace(case, predictor=predictor))


def coloured(content):
    """Numbers of clearly red and clearly blue pixels of a drawing."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    red, green, blue = (pixels[..., each] for each in range(3))
    return int(((red - blue > 150) & (red - green > 150)).sum()), int(((blue - red > 150) & (blue - green > 120)).sum())


def test_the_drawing_is_red_where_a_sample_raised_the_score(ecg, tmp_path):
    values = np.zeros((12, 1000))
    values[1, 100:200] = 1.0
    found = lead_map.LeadAttribution(values, {}, {}, ecg)
    shown = SimpleNamespace(shown=True, leads=found, reason="")
    write_map(SimpleNamespace(map=shown), tmp_path / "map.png")
    red, blue = coloured((tmp_path / "map.png").read_bytes())
    assert red > 500 and blue == 0
    in_web = lead_map_url(ecg, {lead: row.tolist() for lead, row in zip(LEADS, -values, strict=True)})
    red, blue = coloured(base64.b64decode(in_web.partition("base64,")[2]))
    assert red == 0 and blue > 500
    with pytest.raises(ConfigError, match=r"map\.png: the file exists"):
        write_map(SimpleNamespace(map=shown), tmp_path / "map.png")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (None, "this patient has no ECG"),
        (SimpleNamespace(shown=False, leads=None, reason="the maps were not checked"), "the maps were not checked"),
        (SimpleNamespace(shown=True, leads=None, reason=""), "reads the picture of the page"),
    ],
)
def test_a_map_that_does_not_exist_is_not_drawn(tmp_path, state, reason):
    with pytest.raises(ConfigError, match=f"no map of the leads .*{reason}"):
        write_map(SimpleNamespace(map=state), tmp_path / "map.svg")
    assert not list(tmp_path.iterdir())
