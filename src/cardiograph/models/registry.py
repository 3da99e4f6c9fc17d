"""The models by name and by what they hear; no library is needed to know them."""

from __future__ import annotations

from cardiograph.config import ModelConfig
from cardiograph.models.baselines import KnnVote, Logistic
from cardiograph.models.gnn import LAYERS, Network
from cardiograph.models.sign import Sign

TITLES = {
    "sign": "SIGN",
    "gcn": "GCN",
    "gat": "GAT",
    "sage": "GraphSAGE",
    "mlp": "MLP (no graph)",
    "logistic": "Logistic regression (no graph)",
    "knn_vote": "Votes of the neighbours",
    "boosting": "Boosted trees (no graph)",
}
"""Name -> name for people, in the order of printing."""


GRAPH_MODELS = ("sign", "gcn", "gat", "sage")
"""Networks that hear neighbours."""


WITHOUT_GRAPH = ("mlp", "logistic")
"""The same features without a graph: what the graph is held against in a run."""


BASELINES = (*WITHOUT_GRAPH, "knn_vote", "boosting")
"""What a graph model has to beat in a comparison; boosting is never bundled."""


SERVABLE = (*GRAPH_MODELS, *WITHOUT_GRAPH, "knn_vote")
"""Models that a bundle can hold."""


Model = Network | Sign | Logistic | KnnVote
"""``model(own, neighbour_table, sources) -> (logits, states)``: what training, test scores and serving call.

``model.heard(own, neighbour_table, sources)`` is the part that no weight decides; training computes it once and hands it in.
"""


def build(name: str, width_in: int, config: ModelConfig, *, classes: int = 2) -> Model:
    """A model with fresh weights.

    Args:
        name: One of :data:`cardiograph.models.registry.SERVABLE`.
        width_in: Node features.
        config: Sizes.
        classes: Different labels.
    """
    if name in LAYERS:
        return Network(name, width_in, config, classes=classes)
    kind: type[Sign | Logistic | KnnVote] = {"sign": Sign, "logistic": Logistic, "knn_vote": KnnVote}[name]  # type: ignore[assignment]
    return kind(name, width_in, config, classes=classes)
