"""The thesis' way of working, after its description, as a peer to be timed against.

One page at a time through a float32 network; a dense scikit-learn neighbour graph over the concatenated features; graph
convolutions over its edge list, the whole batch in each step; a new patient rebuilds the graph and runs the network over
all of it. Its faults are kept where they cost time, not to be copied: the scaler sees every row, and a patient's neighbours
hear the patient.

Each step is a function, so that a benchmark times the one that it asks about:

    features = embed_pages(paths, load_network(weights))
    table = node_features(features, clinical)
    network = train(table, labels, neighbour_edges(table))
    probability = score_new_patient(network, table, patient)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout, relu

SIDE = 224
CHANNEL_MEAN = np.array([0.485, 0.456, 0.406])
CHANNEL_STD = np.array([0.229, 0.224, 0.225])
NEIGHBOURS = 5
EPOCHS = 30
LEARNING_RATE = 1e-3


def load_network(weights: dict[str, Tensor] | None = None) -> nn.Module:
    """ResNet18 of MONAI without its last layer; fresh where no weights are given."""
    from monai.networks.nets.resnet import resnet18

    network: nn.Module = resnet18(
        pretrained=False,
        spatial_dims=2,
        n_input_channels=3,
        feed_forward=False,
        shortcut_type="B",
        bias_downsample=False,
    )
    if weights is not None:
        network.load_state_dict(weights, strict=False)
    return network.eval()


def load_page(path: Path) -> Tensor:
    """[1, 3, 224, 224] of a page: decoded whole, resized by Pillow's default filter, standardised in float64."""
    with Image.open(path) as page:
        small = page.convert("RGB").resize((SIDE, SIDE))
    levels = np.asarray(small, np.float64) / 255
    channels = ((levels - CHANNEL_MEAN) / CHANNEL_STD).transpose(2, 0, 1)
    return torch.tensor(channels[None], dtype=torch.float32)


def embed_pages(paths: Iterable[Path], network: nn.Module) -> NDArray[np.float32]:
    """[pages, 512], each page decoded and embedded before the next is opened; copies are embedded again."""
    return np.array(list(_embeddings(paths, network)), np.float32)


def _embeddings(paths: Iterable[Path], network: nn.Module) -> Iterator[NDArray[np.float32]]:
    for path in paths:
        with torch.no_grad():
            yield network(load_page(path)).flatten().numpy()


def node_features(image: NDArray[np.float32], clinical: NDArray[np.float64]) -> NDArray[np.float32]:
    """[records, 512 + variables] image values as they are next to clinical values standardised over all rows."""
    from sklearn.preprocessing import StandardScaler

    return np.hstack([image, StandardScaler().fit_transform(clinical)]).astype(np.float32)


def neighbour_edges(features: NDArray[np.float32], k: int = NEIGHBOURS) -> Tensor:
    """[2, records x k] edge list of scikit-learn's neighbour graph, in the direction in which it lists them."""
    from sklearn.neighbors import kneighbors_graph

    rows, columns = kneighbors_graph(features, k, include_self=False).nonzero()
    return torch.from_numpy(np.stack([rows, columns]).astype(np.int64))


class GraphNetwork(nn.Module):
    """Two graph convolutions of PyTorch Geometric and a linear layer.

    Args:
        width: Width of a record's features.
        hidden: Hidden of both convolutions.
        classes: Different labels.
    """

    def __init__(self, width: int, hidden: int = 128, classes: int = 2) -> None:
        from torch_geometric.nn import GCNConv

        super().__init__()
        self.convolutions = nn.ModuleList([GCNConv(width, hidden), GCNConv(hidden, hidden)])
        self.head = nn.Linear(hidden, classes)

    def forward(self, features: Tensor, edges: Tensor) -> Tensor:
        """[records, classes] logits."""
        first, second = self.convolutions
        state = dropout(relu(first(features, edges)), 0.5, self.training)
        logits: Tensor = self.head(relu(second(state, edges)))
        return logits


def train(
    features: NDArray[np.float32], labels: NDArray[np.int64], edges: Tensor, *, epochs: int = EPOCHS, seed: int = 0
) -> GraphNetwork:
    """Full-batch training by Adam for a fixed number of epochs.

    Args:
        features: [records, features].
        labels: [records] 0..classes-1.
        edges: [2, edges], from :func:`neighbour_edges`.
        epochs: How many; nothing stops earlier.
        seed: Seed of weights and dropout.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = GraphNetwork(features.shape[1], classes=int(labels.max()) + 1)
        optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
        inputs, targets = torch.from_numpy(features), torch.from_numpy(labels)
        for _ in range(epochs):
            optimiser.zero_grad()
            cross_entropy(network(inputs, edges), targets).backward()
            optimiser.step()
    return network.eval()


def score_new_patient(
    network: GraphNetwork, reference: NDArray[np.float32], patient: NDArray[np.float32], k: int = NEIGHBOURS
) -> float:
    """Probability of class 1: the graph is built again with the patient in it, and the whole network runs over it.

    Args:
        network: Trained.
        reference: [records, features].
        patient: [features].
        k: Neighbours.
    """
    everyone = np.vstack([reference, patient])
    with torch.no_grad():
        return float(network(torch.from_numpy(everyone), neighbour_edges(everyone, k)).softmax(1)[-1, 1])
