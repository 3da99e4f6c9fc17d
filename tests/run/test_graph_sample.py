"""The drawn part of the graph, against the neighbour tables counted one by one."""

from types import SimpleNamespace

import numpy as np
import pytest

from cardiograph.config import RunConfig
from cardiograph.containers import NearestNeighbours
from cardiograph.run import graph_sample as module
from cardiograph.run.graph_sample import sample_graph
from cardiograph.run.patient_map import place_records

LABELS = np.array([1, 0, 1, 0, -1, 1, 0, 1])
REFERENCE = np.array([0, 1, 2, 4, 6])
QUERIES = np.array([3, 5, 7])
LINKED = np.array([[1, 2], [0, -1], [0, 3], [4, 1], [-1, -1]])
"""[reference, k] places in ``REFERENCE`` that each reference record reads from; -1 is padding."""

OF_QUERIES = np.array([[0, 4], [2, -1], [3, 1]])


def drawn(linked=LINKED, of_queries=OF_QUERIES):
    values = np.random.default_rng(0).normal(size=(len(LABELS), 6)).astype(np.float32)
    graph = SimpleNamespace(rows=REFERENCE, neighbours=NearestNeighbours(linked, np.ones(linked.shape)))
    dataset = SimpleNamespace(cohort=SimpleNamespace(labels=LABELS), rows=lambda _: QUERIES)
    fitted = SimpleNamespace(prepared=SimpleNamespace(graph=graph, features=SimpleNamespace(values=values)))
    test = SimpleNamespace(neighbours=NearestNeighbours(of_queries, np.ones(of_queries.shape)), sources=REFERENCE)
    shown = place_records(dataset, fitted, {"test": test}, RunConfig())
    return sample_graph(dataset, fitted, RunConfig(), shown)


def listed(table, first=0):
    """(source, listener) of each link, by place among the drawn records: the reference first, then the queries."""
    return {(int(s), first + place) for place, row in enumerate(table) for s in row if s >= 0}


def test_every_link_is_drawn_from_source_to_listener():
    edges = drawn()["edges"]
    assert set(map(tuple, edges.T.tolist())) == listed(LINKED) | listed(OF_QUERIES, len(REFERENCE))
    assert edges.shape[1] == len(set(map(tuple, edges.T.tolist())))


def test_labels_and_kinds_are_in_the_order_of_the_places():
    found = drawn()
    assert found["labels"].tolist() == [*LABELS[REFERENCE], *LABELS[QUERIES]]
    assert found["query"].tolist() == [0] * len(REFERENCE) + [1] * len(QUERIES)
    assert found["xy"].shape == (len(REFERENCE) + len(QUERIES), 2)


def test_in_degree_counts_the_records_that_list_it():
    found = drawn()["in_degree"]
    assert found.tolist() == [int((place == LINKED).sum()) for place in range(len(REFERENCE))]


def test_agreement_counts_links_between_labelled_records_against_chance():
    """Labelled links of 1, 0, 1, -, 0: 1-0 no, 1-1 yes, 0-1 no, 1-1 yes; two positives of four labelled."""
    agreement, chance = drawn()["agreement"]
    assert agreement == pytest.approx(2 / 4)
    assert chance == pytest.approx(0.5**2 + 0.5**2)


def test_a_graph_without_a_labelled_link_has_no_agreement():
    agreement, _ = drawn(linked=np.full((5, 2), -1))["agreement"]
    assert np.isnan(agreement)


def test_of_a_large_graph_a_sample_is_drawn_with_the_links_inside_it(monkeypatch):
    monkeypatch.setattr(module, "MAX_DRAWN_REFERENCE", 3)
    monkeypatch.setattr(module, "MAX_DRAWN_QUERIES", 2)
    found, again = drawn(), drawn()
    assert len(found["labels"]) == 5
    assert found["query"].tolist() == [0, 0, 0, 1, 1]
    assert found["edges"].size == 0 or (found["edges"].min() >= 0 and found["edges"].max() < 5)
    assert found["edges"].tolist() == again["edges"].tolist()
    assert len(found["in_degree"]) == len(REFERENCE), "facts are about the whole graph"
