"""What a run leaves behind: which models play which part."""

import numpy as np

from cardiograph.config import load_config
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.run.outputs import choose_roles


def test_the_verdict_meets_every_model_without_a_graph():
    """The baseline named first has the lowest validation log loss; the other one is not forgotten."""
    labels = np.array([0, 1] * 20)
    sure = {"sign": 0.6, "mlp": 0.7, "logistic": 0.8}
    scores = {name: np.where(labels == 1, each, 1 - each) for name, each in sure.items()}
    roles = choose_roles(PartPredictions(labels, np.arange(40), scores), load_config(None, {"model": {"name": "sign"}}))
    assert (roles.graph, roles.baseline, list(roles.other_baselines)) == ("sign", "logistic", ["mlp"])
