"""Boosted trees as tensors: the numbers of scikit-learn, without scikit-learn."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from cardiograph.config import ModelConfig
from cardiograph.models.build import build
from cardiograph.models.examples import Examples
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.models.training import train

NOBODY = NeighbourTable(
    torch.zeros(0, 1, dtype=torch.int64), torch.zeros(0, 1, dtype=torch.bool), *(torch.zeros(0),) * 3
)


def made(records, classes, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(records, 6)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = (np.nan_to_num(x[:, 0]) * 2 + rng.normal(size=records) > 0).astype(np.int64)
    return x, y + (classes > 2) * (np.nan_to_num(x[:, 1]) > 1)


def fitted(classes=2):
    x, y = made(300, classes, 1)
    x_val, y_val = made(150, classes, 2)
    examples = [Examples.of(*each[:1], NOBODY, each[1]) for each in ((x, y), (x_val, y_val))]
    network, history = train("boosting", *examples, config=ModelConfig(), seed=3, classes=classes)
    return network, history, (x, y, x_val, y_val)


def best_of_scikit_learn(x, y, x_val, y_val, classes):
    best = (np.inf, None, 0)
    for leaves in (4, 16):
        model = HistGradientBoostingClassifier(
            learning_rate=0.05, max_iter=200, max_leaf_nodes=leaves, l2_regularization=1.0, max_features=0.3,
            early_stopping=False, random_state=3,
        ).fit(x, y)  # fmt: skip
        for rounds, found in enumerate(model.staged_predict_proba(x_val), start=1):
            loss = log_loss(y_val, found, labels=range(classes))
            best = min(best, (loss, model, rounds), key=lambda each: each[0])
    return best


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_those_of_scikit_learn_at_the_best_number_of_trees(classes):
    network, history, (x, y, x_val, y_val) = fitted(classes)
    loss, model, rounds = best_of_scikit_learn(x, y, x_val, y_val, classes)
    strangers, _ = made(400, classes, 5)
    expected = list(model.staged_predict_proba(strangers))[rounds - 1]
    found = network(torch.from_numpy(strangers), NOBODY)[0].softmax(1).numpy()
    assert np.allclose(found, expected, atol=1e-9)
    assert history.val_loss[history.best] == pytest.approx(loss, abs=1e-6)


def test_a_saved_ensemble_of_any_size_is_loaded_into_a_fresh_one():
    network, _, (x, *_) = fitted()
    fresh = build("boosting", x.shape[1], ModelConfig())
    fresh.load_state_dict(network.state_dict())
    rows = torch.from_numpy(x)
    assert torch.equal(fresh(rows, NOBODY)[0], network(rows, NOBODY)[0])


def test_tables_of_another_type_are_refused():
    network, _, (x, *_) = fitted()
    tensors = dict(network.state_dict()) | {"left": torch.zeros(3, 3)}
    with pytest.raises(RuntimeError, match="left"):
        build("boosting", x.shape[1], ModelConfig()).load_state_dict(tensors)


def test_serving_trees_imports_no_scikit_learn():
    program = (
        "import sys; from cardiograph.config import ModelConfig; from cardiograph.models.build import build;"
        "build('boosting', 4, ModelConfig()); sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
