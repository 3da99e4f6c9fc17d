"""Registries of models and encoders: the only place that lists them, with the module that implements each.

This module imports no numerical library, so the configuration, the command line and the reports can import it quickly.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Reads = Literal["page", "leads"]
"""What an encoder reads of an ECG: the picture of its page, or its leads."""


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be trained, saved in a bundle and served.

    Args:
        title: Display name.
        factory: ``module:name`` of a callable ``(name, width_in, config, *, classes) -> torch.nn.Module``.
        uses_graph: Whether a prediction depends on neighbours in the graph.
        is_network: Whether the model is a neural network trained by gradient descent, such as SIGN and the GNNs.
        colour: Colour in figures, as ``#rrggbb``.
        dash: Matplotlib line style in figures.
        source: Publication that describes the method.
    """

    title: str
    factory: str
    uses_graph: bool
    is_network: bool
    colour: str
    dash: Any = "-"
    source: str = ""

    def build(self, *args: Any, **settings: Any) -> Any:  # noqa: ANN401 - the factory decides
        """Import the module of the factory and call the factory."""
        return load_factory(self.factory)(*args, **settings)


@dataclass(frozen=True)
class EncoderSpec:
    """An encoder that turns an ECG, as a page or as leads, into an embedding.

    Args:
        title: Display name.
        factory: ``module:name`` of a callable without arguments that returns a ``torch.nn.Module``. The module maps
            inputs [n, *input_shape] to [n, width] embeddings: pages normalised as for ImageNet, or leads.
        width: Number of values of an embedding; 0 to determine it by running the network once.
        trained: Whether the factory returns trained weights; otherwise weights are loaded.
        reads: ``page``, or ``leads`` for an encoder of signals.
        input_shape: Shape of one input.
    """

    title: str
    factory: str
    width: int = 0
    trained: bool = False
    reads: Reads = "page"
    input_shape: tuple[int, ...] = (3, 224, 224)


def load_factory(path: str) -> Callable[..., Any]:
    """Import the callable that ``module:name`` refers to.

    Raises:
        ValueError: If the module or the name does not exist, or the object is not callable.
    """
    module, _, name = path.partition(":")
    try:
        factory: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        message = (
            f"{path!r} cannot be imported ({error}); write module:factory, and install the package or set PYTHONPATH"
        )
        raise ValueError(message) from error
    if not callable(factory):
        message = f"{path!r} is not callable; name a function or class that returns a torch module without arguments"
        raise ValueError(message)
    return factory


_GNN, _BASELINES = "cardiograph.models.gnn:Network", "cardiograph.models.baselines"

MODELS: dict[str, ModelSpec] = {
    "sign": ModelSpec("SIGN", "cardiograph.models.sign:Sign", True, True, "#332288", source="Frasca et al. 2020"),
    "gcn": ModelSpec("GCN", _GNN, True, True, "#0f7ba3", (0, (3, 1, 1, 1)), "Kipf and Welling, ICLR 2017"),
    "gat": ModelSpec("GAT", _GNN, True, True, "#117a65", "--", "Brody, Alon and Yahav, ICLR 2022"),
    "sage": ModelSpec("GraphSAGE", _GNN, True, True, "#5b6676", (0, (5, 1)), "Hamilton et al., NeurIPS 2017"),
    "mlp": ModelSpec("MLP (no graph)", _GNN, False, True, "#b03060", "-."),
    "logistic": ModelSpec("Logistic regression (no graph)", f"{_BASELINES}:Logistic", False, False, "#8a6d00", ":"),
    "knn_vote": ModelSpec(
        "Votes of the neighbours", f"{_BASELINES}:KnnVote", True, False, "#7a4a21", (0, (4, 1, 1, 1))
    ),
    "boosting": ModelSpec(
        "Boosted trees (no graph)", "cardiograph.models.trees:BoostedTrees", False, False, "#44803f", (0, (1, 1))
    ),
}
"""Name -> model, in the order of tables and figures."""

TITLES = {name: spec.title for name, spec in MODELS.items()}
"""Name -> display name of each model."""

GRAPH_MODELS = tuple(name for name, spec in MODELS.items() if spec.uses_graph and spec.is_network)
"""Networks that aggregate neighbours."""

WITHOUT_GRAPH = tuple(name for name, spec in MODELS.items() if not spec.uses_graph)
"""Models that use the same features without a graph; a graph is useful only if it beats them."""

BASELINES = tuple(name for name in MODELS if name not in GRAPH_MODELS)
"""Models with which a comparison contrasts graph networks."""


def require_model(name: str) -> str:
    """Return ``name`` if a model has that name.

    Raises:
        ValueError: If no model has that name; the message lists the models.
    """
    if name not in MODELS:
        message = f"no model is called {name!r}; choose one of {', '.join(MODELS)}"
        raise ValueError(message)
    return name


ENCODERS: dict[str, EncoderSpec] = {
    "ecg": EncoderSpec(
        "ECG network",
        "cardiograph.encoders.ecg_network:ecg_network",
        512,
        trained=True,
        reads="leads",
        input_shape=(24, 1112),
    ),
    "resnet18-ecg": EncoderSpec(
        "ResNet18 trained on ECGs", "cardiograph.encoders.resnet:resnet18_ecg", 512, trained=True
    ),
    "resnet18": EncoderSpec("ResNet18", "cardiograph.encoders.resnet:resnet18", 512),
    "resnet50": EncoderSpec("ResNet50", "cardiograph.encoders.resnet:resnet50", 2048),
}
"""Name -> built-in encoder."""

ENCODER_GROUP = "cardiograph.encoders"
"""Entry-point group in which other packages register encoders; each value is ``module:factory``."""


def encoder_spec(name: str) -> EncoderSpec:
    """Return the encoder with a built-in name, an entry-point name or a ``module:factory`` path.

    Raises:
        ValueError: If no encoder has that name; the message lists the encoders.
    """
    if name in ENCODERS:
        return ENCODERS[name]
    if ":" in name:
        return EncoderSpec(name, name, trained=True)
    from importlib.metadata import entry_points

    found = {each.name: each.value for each in entry_points(group=ENCODER_GROUP)}
    if name in found:
        return EncoderSpec(name, found[name], trained=True)
    message = f"no encoder is called {name!r}; choose one of {', '.join([*ENCODERS, *found])}, or write module:factory"
    raise ValueError(message)


def require_encoder(name: str) -> str:
    """Return ``name`` if an encoder has that name; a ``module:factory`` path is not imported yet.

    Raises:
        ValueError: If no encoder has that name; the message lists the encoders.
    """
    encoder_spec(name)
    return name
