"""The contracts hold for several labels at once: heads of one network, and models that are fitted to each label."""

import numpy as np
import pandas as pd
import pytest
import torch
from tests.contracts.conftest import MODELS, make_problem
from tests.contracts.test_nothing_leaks import poisoned
from tests.run.labels_cohort import rows_of, run_on

from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import load_config
from cardiograph.containers import TEST, TRAIN
from cardiograph.evaluate.metrics import score
from cardiograph.inference import Predictor
from cardiograph.inference.table import score_table
from cardiograph.registry import MODELS as REGISTRY
from cardiograph.train.fit import make_bundle, prepare
from cardiograph.train.label_heads import LabelHeads

SHORT = load_config(None, {"model": {"epochs": 4, "width": 16, "members": 2}, "seed": 3})
NETWORKS = [name for name in MODELS if REGISTRY[name].is_network]


def targets_of(dataset, seed=0, *, signal=True):
    """[records, 3] labels of groups: the first is that of the cohort, the second often unknown, the third random."""
    rng = np.random.default_rng(seed)
    groups = dataset.split.groups.index
    drawn = rng.integers(0, 2, (groups.max() + 1, 3))[groups]
    if signal:
        drawn[:, 0] = dataset.cohort.labels
    drawn[rng.random(len(groups)) < 0.3, 1] = -1
    return drawn.astype(np.int64)


def predictors(dataset, targets, name, config=SHORT):
    """The predictor of each label."""
    prepared, heads = prepare(dataset.inputs, config), LabelHeads(targets, dataset.split, config)
    networks = [heads.fit(name, prepared, label=label)[0] for label in range(targets.shape[1])]
    return [Predictor(make_bundle(name, network, dataset, prepared, config)) for network in networks]


def scores_of(found, dataset, rows):
    return np.stack([each.score(dataset.queries(rows)).by_class[:, 1] for each in found], axis=1)


@pytest.fixture(scope="module", params=NETWORKS)
def heads(request, dataset):
    return request.param, predictors(dataset, targets_of(dataset), request.param)


def test_poisoned_test_rows_move_no_head_and_no_score(dataset, heads):
    name, found = heads
    dirty, targets, rows = poisoned(dataset, TEST), targets_of(dataset), dataset.rows(TEST)
    targets[rows] = 1 - targets[rows].clip(min=0)
    again = predictors(dirty, targets, name)
    for mine, other in zip(found, again, strict=True):
        for key, weight in mine.bundle.network.state_dict().items():
            assert torch.equal(weight, other.bundle.network.state_dict()[key]), key
    train = dataset.rows(TRAIN)
    np.testing.assert_array_equal(scores_of(found, dataset, train), scores_of(again, dirty, train))


def test_poisoned_labels_of_training_rows_do_move_it(dataset, heads):
    name, found = heads
    targets, rows = targets_of(dataset), dataset.rows(TRAIN)[::3]
    targets[rows, 2] = 1 - targets[rows, 2]
    again, rows = predictors(dataset, targets, name), dataset.rows(TEST)
    assert (scores_of(found, dataset, rows)[:, 2] != scores_of(again, dataset, rows)[:, 2]).any()


def test_one_record_of_many_gets_the_probabilities_it_gets_alone(dataset, heads):
    _, found = heads
    rows = dataset.rows(TEST)[:5]
    alone = np.vstack([scores_of(found, dataset, rows[[place]]) for place in range(len(rows))])
    np.testing.assert_allclose(scores_of(found, dataset, rows), alone, atol=1e-9)


def aurocs(dataset, targets, name):
    """AUROC on test records of each label."""
    rows = dataset.rows(TEST)
    found = scores_of(predictors(dataset, targets, name), dataset, rows)
    known = targets[rows] >= 0
    return [score(targets[rows[k], label], found[k, label], 0.5)["auroc"] for label, k in enumerate(known.T)]


def test_labels_dealt_out_to_whole_groups_cannot_be_predicted():
    dataset = make_problem(5, groups=60, signal=0)
    found = np.array([aurocs(dataset, targets_of(dataset, seed, signal=False), "sign") for seed in range(6)])
    mean = found.mean(axis=1)  # labels are drawn independently of each other
    assert abs(mean.mean() - 0.5) < 3 * mean.std(ddof=1) / np.sqrt(len(mean))


def test_the_permutation_test_can_fail():
    dataset = make_problem(5, groups=60, signal=3.0)
    assert aurocs(dataset, targets_of(dataset), "sign")[0] > 0.9


TEST_ROWS = np.arange(4, 120, 5)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run_on(tmp_path_factory.mktemp("labels"), rows_of())


def predictions_of(run, label):
    table = RunDirectory(run / label).read_table("predictions.parquet").set_index("record_id")
    return table[table["part"] == TEST]


def test_a_poisoned_half_of_the_test_records_moves_no_bundle_and_no_other_prediction(finished, tmp_path):
    bad = TEST_ROWS[::2]
    dirty = run_on(tmp_path, rows_of(bad))
    for label in "AB":
        for path in (finished / label / "bundle").iterdir():
            assert path.read_bytes() == (dirty / label / "bundle" / path.name).read_bytes(), path.name
        before, after = (predictions_of(run, label) for run in (finished, dirty))
        kept = before.index.difference([f"p{row}" for row in bad])
        pd.testing.assert_frame_equal(before.loc[kept], after.loc[kept])


def test_alone_in_a_table_and_as_test_record_a_patient_gets_the_same_answer(finished):
    table = score_table(finished, finished.parent / "cohort.csv").set_index("record_id")
    for label in "AB":
        predictor, stored = Predictor.load(finished / label), predictions_of(finished, label)["probability_sign"]
        np.testing.assert_allclose(table.loc[stored.index, f"probability_{label}"], stored, atol=1e-9)
        for row in (row for row in rows_of()[:30] if row[0] in stored):
            values = {"ef": float(row[3]), "age": float(row[4])}
            alone = predictor.predict(None, values, patient_id=row[0]).probability
            assert alone == pytest.approx(stored[row[0]], abs=1e-9)
