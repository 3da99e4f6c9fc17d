"""Builds a model by its name in the registry."""

from __future__ import annotations

from cardiograph.config import ModelConfig
from cardiograph.errors import ConfigError
from cardiograph.models.baselines import KnnVote, Logistic
from cardiograph.models.gnn import Network
from cardiograph.models.sign import Sign
from cardiograph.models.trees import BoostedTrees
from cardiograph.registry import MODELS

Model = Network | Sign | Logistic | KnnVote | BoostedTrees
"""``model(own, neighbour_table, sources) -> (logits, states)``: what training, test scores and the service call.

``model.aggregate(own, neighbour_table, sources)`` is the part that depends on no weight; training computes it once.
"""


def build(name: str, width_in: int, config: ModelConfig, *, classes: int = 2) -> Model:
    """Build a model with fresh weights.

    Args:
        name: A key of :data:`cardiograph.registry.MODELS`.
        width_in: Number of node features.
        config: Sizes.
        classes: Number of different labels.

    Raises:
        ConfigError: If there is no such model.
    """
    if name not in MODELS:
        message = f"model {name!r}: there is no such model; choose among {', '.join(MODELS)}"
        raise ConfigError(message)
    model: Model = MODELS[name].build(name, width_in, config, classes=classes)
    return model
