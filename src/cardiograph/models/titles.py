"""The models by name and by what they hear; no library is needed to know them."""

from __future__ import annotations

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
