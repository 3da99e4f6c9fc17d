"""Maps are Grad-CAM: the gradient of the score by the network's last stage, as torch computes it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.contracts.conftest import CONFIG, learn
from tests.explain.conftest import case_of

from cardiograph.encoders.engine import make_engine
from cardiograph.encoders.weights import build_network, load_weights
from cardiograph.explain.case import ExplainedCase
from cardiograph.explain.saliency import SIDE, PageMap, logit_gradient, page_map, page_shares, shares_of
from cardiograph.inference import Predictor, Query


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 224, 224)).astype(np.float32)


def test_a_map_of_means_is_grad_cam_by_autograd_through_network_and_score(inputs, cache_folder):
    """Selvaraju's weights (mean gradient of each channel), of a score that is not linear in the embedding."""
    weights = load_weights("random", seed=0, cache=cache_folder)
    net = build_network()
    net.load_state_dict(weights.tensors, strict=False)
    along = torch.randn(512, generator=torch.Generator().manual_seed(1))

    def score(embedding):
        return 5 * torch.tanh(embedding @ along / 10)

    kept = []
    net.layer4.register_forward_hook(lambda _layer, _inputs, output: kept.append(output))
    (by_state,) = torch.autograd.grad(score(net(torch.from_numpy(inputs)[None])[0]), kept)
    gradient, state = by_state[0].numpy(), kept[0][0].detach().numpy()
    expected = np.einsum("c,chw->hw", gradient.mean((1, 2)), state)
    engine = make_engine(weights, "torch", "f32", cache=cache_folder)
    (embedding,) = engine.run([inputs])
    own = torch.from_numpy(embedding).requires_grad_()
    (by_embedding,) = torch.autograd.grad(score(own), own)
    found = np.einsum("c,chw->hw", by_embedding.numpy(), shares_of(engine.maps(inputs), "final"))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_map_of_spreads_is_gradient_times_deviation_by_autograd():
    """Of the readout itself, on each stage's own map."""
    rng, along = np.random.default_rng(1), np.random.default_rng(2).normal(size=512)
    along[:64] = 0  # spreads alone: means have no deviation
    maps = [torch.from_numpy(rng.gamma(0.3, size=size)) for size in ((64, 56, 56), (128, 28, 28), (256, 14, 14))]
    expected = np.zeros((SIDE, SIDE))
    for state, weight in zip(maps, np.split(along[64:], [64, 192]), strict=True):
        own = state.requires_grad_()
        spread = ((own - own.mean((1, 2), keepdim=True)) ** 2).mean((1, 2)).sqrt()
        (gradient,) = torch.autograd.grad(spread @ torch.from_numpy(weight), own)
        product = (gradient * (own - own.mean((1, 2), keepdim=True))).sum(0).detach().numpy()
        expected += product.reshape(SIDE, len(product) // SIDE, SIDE, -1).sum((1, 3))
    shares = shares_of(tuple(state.detach().numpy().astype(np.float32) for state in maps), "texture")
    np.testing.assert_allclose(np.einsum("c,chw->hw", along, shares), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("readout", ["final", "texture"])
def test_shares_sum_to_the_embedding(readout):
    rng = np.random.default_rng(0)
    sides = {"final": [(512, 14)], "texture": [(64, 28), (128, 28), (256, 14)]}[readout]
    maps = tuple(np.maximum(rng.normal(size=(width, side, side)), 0).astype(np.float32) for width, side in sides)
    maps[0][3] = 0  # a dead channel
    means = np.concatenate([each.mean((1, 2)) for each in maps])
    spreads = np.concatenate([each.std((1, 2)) for each in maps])
    embedding = means if readout == "final" else np.concatenate([means[:64], spreads])
    np.testing.assert_allclose(shares_of(maps, readout).sum((1, 2)), embedding, rtol=1e-5)


@pytest.mark.parametrize("name", ["sign", "gcn", "gat", "sage", "mlp", "logistic", "knn_vote"])
def test_the_gradient_is_the_slope_of_the_score_with_neighbours_fixed(dataset, name):
    predictor = learn(dataset, name)[2]
    case = next(
        case
        for case in (case_of(predictor, dataset, row) for row in dataset.rows("test"))
        if not case.scores.absent_blocks[0]
    )
    gradient = logit_gradient(case)
    step = np.random.default_rng(0).normal(size=case.queries.image.shape[1]) * 0.01
    scores = []
    for side in (1, -1):
        moved = dataclasses.replace(case.queries, image=(case.queries.image + side * step).astype(np.float32))
        scores.append(case.score_copies(predictor.fuse(moved)).raw[0])
    assert (scores[0] - scores[1]) / 2 == pytest.approx(gradient @ step, rel=0.02, abs=1e-6)
    assert (name == "knn_vote") == (not gradient.any())


def test_a_model_that_does_not_read_the_page_has_no_gradient(dataset):
    unread = CONFIG.model_copy(update={"fusion": CONFIG.fusion.model_copy(update={"image": 0.0})})
    predictor = learn(dataset, "logistic", unread)[2]
    case = case_of(predictor, dataset, dataset.rows("test")[0])
    assert "image" not in case.attached.features.blocks
    assert not logit_gradient(case).any()


def test_heat_is_of_the_direction_in_which_the_page_moved_the_estimate():
    signed = np.array([[2.0, -4.0], [1.0, 0.0]])
    np.testing.assert_array_equal(PageMap(signed, 1).heat, [[1, 0], [0.5, 0]])
    np.testing.assert_array_equal(PageMap(signed, -1).heat, [[0, 1], [0, 0]])
    assert not PageMap(signed, 0).heat.any()


@pytest.fixture(scope="module")
def served(finished_run):
    import pandas as pd

    table, split = (pd.read_parquet(finished_run / f"{name}.parquet") for name in ("cohort", "split"))
    row = next(table[(split["part"] == "test").to_numpy()].itertuples())
    predictor = Predictor.load(finished_run)
    return predictor, ExplainedCase.of(predictor, Query(Path(row.ecg), {"ef": row.ef, "age": row.age}, row.record_id))


def test_a_map_sums_to_the_first_order_effect_of_the_page_against_the_mean_one(served):
    predictor, case = served
    gradient, shares = logit_gradient(case), page_shares(case)
    assert page_map(case).signed.sum() == pytest.approx(gradient @ case.queries.image[0], rel=1e-3, abs=1e-3)
    mean = (shares * np.random.default_rng(0).uniform(0.5, 1.5, (512, 1, 1))).astype(np.float32)
    seen = dataclasses.replace(
        case, predictor=Predictor(dataclasses.replace(predictor.bundle, mean_page=mean), predictor.engine)
    )
    against = page_map(seen)
    expected = gradient @ (case.queries.image[0] - mean.sum((1, 2)))
    assert against.signed.sum() == pytest.approx(expected, rel=1e-3, abs=1e-3)
    without = case.without_blocks(np.array([[False, True]])).raw[0]
    assert against.direction == np.sign(case.raw - without) != 0


def test_a_patient_without_a_page_has_no_map(served):
    predictor, _ = served
    with pytest.raises(ValueError, match="needs a page"):
        page_map(ExplainedCase.of(predictor, Query(None, {"ef": 0.4})))
