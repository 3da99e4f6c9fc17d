"""Controls use only the inputs that they should."""

import dataclasses

import numpy as np
import pytest

from cardiograph.config import GraphConfig
from cardiograph.containers import Groups
from cardiograph.studies.controls import (
    CONTROLS,
    RandomEdges,
    exchange_labels,
    header_only,
    margins,
    permuted_labels,
)
from cardiograph.studies.faults.switches import Faults


def test_whole_groups_exchange_labels(shared_cohort):
    cohort, groups = shared_cohort.usable[0], shared_cohort.groups
    found = exchange_labels(cohort, groups, 1)
    for group in range(len(groups)):
        rows = np.flatnonzero(groups.index == group)
        assert len(set(found.labels[rows])) == len(set(found.table["class_name"][rows])) == 1
    first = np.unique(groups.index, return_index=True)[1]
    assert sorted(found.table["class_name"][first]) == sorted(cohort.table["class_name"][first])
    assert (found.labels != cohort.labels).any()
    pairs = set(zip(cohort.table["class_name"], cohort.labels, strict=True))
    assert set(zip(found.table["class_name"], found.labels, strict=True)) == pairs


def test_unlabelled_records_stay_unlabelled(shared_cohort):
    cohort, groups = shared_cohort.usable[0], shared_cohort.groups
    labels = cohort.labels.copy()
    labels[:4] = -1
    cohort = dataclasses.replace(cohort, table=cohort.table.assign(label=labels))
    assert np.flatnonzero(exchange_labels(cohort, groups, 1).labels < 0).tolist() == [0, 1, 2, 3]


def test_another_seed_exchanges_otherwise(shared_cohort):
    found = [exchange_labels(shared_cohort.usable[0], shared_cohort.groups, seed).labels.tolist() for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_random_edges_keep_the_degree_and_stay_outside_a_group():
    groups = np.repeat(np.arange(6), 2)
    edges = RandomEdges(np.random.default_rng(0))
    graph = edges.link(None, np.arange(12), groups, GraphConfig(k=3))
    index = graph.neighbours.index
    assert (index >= 0).all()
    assert all(len(set(row)) == 3 and not set(groups[row]) & {groups[place]} for place, row in enumerate(index))
    neighbours = edges.join(np.zeros((12, 2)), np.zeros((1, 2)), GraphConfig(k=3), [np.arange(10)])
    assert sorted(neighbours.index[0]) == [-1, 10, 11]  # as many as there are


def test_random_edges_are_another_graph_than_the_nearest(shared_cohort):
    config = shared_cohort.settings(shared_cohort.config, Faults(), "image", 1)
    config = config.model_copy(update={"model": config.model.model_copy(update={"name": "gcn"})})
    assert CONTROLS["rewired_edges"](shared_cohort, config) != shared_cohort.fit_and_score(config)
    assert CONTROLS["rewired_edges"](shared_cohort, config) == CONTROLS["rewired_edges"](shared_cohort, config)


def test_the_header_control_sees_the_margins_and_nothing_else(shared_cohort, monkeypatch):
    from cardiograph.studies import controls

    seen = []

    def watched(dataset, config, *, name):
        seen.append(dataset.inputs)
        assert name == "logistic"
        raise KeyError

    monkeypatch.setattr(controls, "fit_and_score", watched)
    with pytest.raises(KeyError):
        header_only(shared_cohort, shared_cohort.settings(shared_cohort.config, Faults(), "image", 1))
    np.testing.assert_array_equal(seen[0].image, margins(shared_cohort.usable[1]))
    assert seen[0].image.shape == (30, 1536)
    assert seen[0].clinical is None


def test_a_page_without_a_grid_has_white_margins(shared_cohort):
    page_index = shared_cohort.usable[1]
    facts = dataclasses.replace(
        page_index.facts[0], metadata=dataclasses.replace(page_index.facts[0].metadata, margins="")
    )
    found = margins(dataclasses.replace(page_index, facts=(facts, *page_index.facts[1:])))
    assert (found[0] == 255).all()
    assert (found[1] < 255).any()


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_gives_scores(shared_cohort, name):
    modality = "clinical" if name == "clinical_only" else "image"
    found = CONTROLS[name](shared_cohort, shared_cohort.settings(shared_cohort.config, Faults(), modality, 2))
    assert 0 <= found.auroc <= 1
    assert found.balanced_accuracy == pytest.approx((found.sensitivity + found.specificity) / 2)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_ten_permutations_score_half(shared, make_shared_cohort):
    """On noise in place of pages any cohort does; here the shared table gives groups of eight copies."""
    shared_cohort = make_shared_cohort(
        shared / "data" / "ecg-pages" / "manifest.csv",
        cohort={
            "map": {"ecg": "image", "label": "class"},
            "positive": ["abnormal_heartbeat", "history_of_mi", "myocardial_infarction"],
        },
    )
    found = [
        permuted_labels(shared_cohort, shared_cohort.settings(shared_cohort.config, Faults(), "image", seed)).auroc
        for seed in range(10)
    ]
    assert abs(np.mean(found) - 0.5) < 3 * np.std(found, ddof=1) / np.sqrt(10)


def test_groups_of_one_label_are_what_the_permutation_is_made_for(shared_cohort):
    alone = Groups(np.arange(30))
    found = exchange_labels(shared_cohort.usable[0], alone, 3)
    assert sorted(found.labels) == sorted(shared_cohort.usable[0].labels)
