"""Models of one graph are scored with one search, and each gets the scores that a search of its own gives."""

import dataclasses

import numpy as np

from cardiograph.inference import Predictor
from cardiograph.train.steps import DEFAULT_STEPS, ScoreTogether, score_queries

from .conftest import CONFIG, learn, make_problem


def test_models_share_one_search(monkeypatch):
    dataset = make_problem(groups=80, copies=2, absent=0.2)
    rows, searches = dataset.rows("test"), []
    learnt = {name: learn(dataset, name, CONFIG) for name in ("gcn", "mlp", "logistic")}
    alone = {name: score_queries(each[2], dataset, each[0], rows) for name, each in learnt.items()}
    attach = Predictor.attach
    monkeypatch.setattr(Predictor, "attach", lambda own, queries: searches.append(len(queries)) or attach(own, queries))
    together = ScoreTogether()
    for name, (prepared, _, predictor) in learnt.items():
        found = together(predictor, dataset, prepared, rows)
        np.testing.assert_array_equal(found.by_class, alone[name].by_class)
        np.testing.assert_array_equal(found.neighbours.index, alone[name].neighbours.index)
        np.testing.assert_array_equal(found.scores.raw, alone[name].scores.raw)
        assert found.scores.uncertainty.decisions == alone[name].scores.uncertainty.decisions
    assert searches == [len(rows)]


def test_steps_that_score_in_another_way_keep_it():
    assert isinstance(DEFAULT_STEPS.together.score, ScoreTogether)
    for other in (
        dataclasses.replace(DEFAULT_STEPS, score=lambda *_: None),
        dataclasses.replace(DEFAULT_STEPS, faults=("known neighbours",)),
    ):
        assert other.together is other
