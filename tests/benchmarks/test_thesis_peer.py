"""The peer of the benchmarks works as the thesis does: what is timed has to be right."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

SOURCE = Path(__file__).parents[2] / "benchmarks" / "peers" / "thesis_pipeline.py"


@pytest.fixture(scope="module")
def thesis():
    spec = importlib.util.spec_from_file_location("thesis_pipeline", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def two_kinds():
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    return (rng.normal(size=(120, 6)) + 3 * labels[:, None]).astype(np.float32), labels


def test_a_page_is_scaled_whole_and_standardised(thesis, tmp_path):
    Image.new("RGB", (400, 300), (255, 0, 0)).save(tmp_path / "red.png")
    page = thesis.load_page(tmp_path / "red.png")
    assert page.shape == (1, 3, 224, 224)
    np.testing.assert_allclose(page[0, :, 100, 100], [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225], rtol=1e-6)


def test_clinical_values_are_standardised_over_all_rows_and_images_are_not(thesis):
    table = thesis.node_features(np.full((4, 2), 7, np.float32), np.array([[1.0], [2], [3], [4]]))
    np.testing.assert_array_equal(table[:, :2], 7)
    np.testing.assert_allclose(table[:, 2], (np.arange(4) - 1.5) / np.sqrt(1.25), rtol=1e-6)


def test_each_record_is_linked_to_its_nearest(thesis):
    edges = thesis.neighbour_edges(np.array([[0.0], [1], [1.5], [9]], np.float32), k=1)
    assert edges.T.tolist() == [[0, 1], [1, 2], [2, 1], [3, 2]]


def test_it_separates_two_kinds_and_scores_a_new_patient_in_a_new_graph(thesis, two_kinds):
    table, labels = two_kinds
    network = thesis.train(table, labels, thesis.neighbour_edges(table), epochs=60)
    low, high = (thesis.score_new_patient(network, table, np.full(6, at, np.float32)) for at in (0, 3))
    assert low < 0.3 and high > 0.7
    everyone = np.vstack([table, np.full(6, 3, np.float32)])
    with torch.no_grad():
        logits = network(torch.from_numpy(everyone), thesis.neighbour_edges(everyone))
    assert high == pytest.approx(float(logits.softmax(1)[-1, 1]))


def test_equal_seeds_learn_equal_networks(thesis, two_kinds):
    table, labels = two_kinds
    edges = thesis.neighbour_edges(table)
    one, other = (thesis.train(table, labels, edges, epochs=3, seed=4).head.weight for _ in range(2))
    assert torch.equal(one, other)
