"""The models by name: one interface, whatever they hear."""

from __future__ import annotations

from cardiograph.config import ModelConfig
from cardiograph.models.baselines import KnnVote, Logistic
from cardiograph.models.gnn import LAYERS, Network
from cardiograph.models.sign import Sign

Model = Network | Sign | Logistic | KnnVote
"""``model(own, hearing, sources) -> (logits, states)``: what training, test scores and serving call.

``model.heard(own, hearing, sources)`` is the part that no weight decides; training computes it once and hands it in.
"""


def build(name: str, width_in: int, config: ModelConfig, *, classes: int = 2) -> Model:
    """A model with fresh weights.

    Args:
        name: One of :data:`cardiograph.models.titles.SERVABLE`.
        width_in: Node features.
        config: Sizes.
        classes: Different labels.
    """
    if name in LAYERS:
        return Network(name, width_in, config, classes=classes)
    kind: type[Sign | Logistic | KnnVote] = {"sign": Sign, "logistic": Logistic, "knn_vote": KnnVote}[name]  # type: ignore[assignment]
    return kind(name, width_in, config, classes=classes)
