"""Patients of a small problem, ready to be explained."""

import numpy as np
import pytest
from tests.contracts.conftest import CONFIG, learn, make_problem

from cardiograph.explain.case import ExplainedCase
from cardiograph.inference.queries import Patient
from cardiograph.registry import MODELS

LISTED = CONFIG.model_copy(update={"graph": CONFIG.graph.model_copy(update={"exact_up_to": 100})})


def case_of(predictor, dataset, row):
    """A record of the problem as if it had been read from a page and a form."""
    return case_from(predictor, dataset.queries(np.array([row])))


def case_from(predictor, queries):
    """The one patient of ``queries``."""
    attached = predictor.attach(queries)
    scores = predictor.score_attached(attached, queries.ties)
    return ExplainedCase(predictor, Patient(None, queries.clinical[0].tolist(), []), queries, attached, scores)


@pytest.fixture(scope="session")
def dataset():
    return make_problem(absent=0.1)


@pytest.fixture(scope="session", params=tuple(MODELS))
def predictor(dataset, request):
    return learn(dataset, request.param)[2]


@pytest.fixture(scope="session")
def cases(predictor, dataset):
    """All test records: some lack a value, a page, or every value."""
    return [case_of(predictor, dataset, row) for row in dataset.rows("test")]
