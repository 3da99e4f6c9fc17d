"""Several labels at once: a masked sigmoid loss, the start of SIGN, and one head of a network as a binary model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from cardiograph.config import ModelConfig
from cardiograph.models.build import Model, build
from cardiograph.models.examples import Examples
from cardiograph.models.sign import Sign
from cardiograph.models.sign_init import begin

HEADS = {"head.weight": 0, "head.bias": 0, "out": 2, "linear.weight": 0, "linear.bias": 0, "vote": 0}
"""Parameter of a network with an entry per label -> its axis of the labels."""


@dataclass(frozen=True)
class LabelExamples(Examples):
    """Records in a training step with several labels.

    Args:
        targets: [records, labels] int64 0, 1 or -1 (unknown); an unknown label is not in the loss.
    """

    targets: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.int64))

    @classmethod
    def of_targets(cls, examples: Examples, targets: Tensor) -> LabelExamples:
        """Return examples with the features and neighbours of ``examples`` and [records, labels] targets."""
        known = (targets >= 0).any(1)
        return cls(
            examples.features,
            examples.neighbour_table,
            torch.where(known, 0, -1),
            known.float(),
            examples.blocks,
            targets,
        )

    def of_label(self, label: int) -> Examples:
        """Return the examples of one label."""
        labels = self.targets[:, label].contiguous()
        return Examples(self.features, self.neighbour_table, labels, (labels >= 0).float(), self.blocks)

    def loss(self, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        """Mean binary cross-entropy of the known labels.

        Args:
            logits: [records, labels], or [records, members, labels] if each member has its own loss.
            rows: Positions of the records; all of them if None.
        """
        targets = self.targets if rows is None else self.targets[rows]
        known, wanted = (targets >= 0).to(logits.dtype), targets.clamp(min=0).to(logits.dtype)
        if logits.ndim == 3:
            wanted = wanted[:, None].expand_as(logits)
        each = binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        each = each.mean(1) if logits.ndim == 3 else each
        return (each * known).sum() / known.sum()

    def accuracy(self, logits: Tensor, rows: Tensor | None = None) -> float:
        """Share of the known labels on whose side of 0 the logit lies; see :meth:`loss`."""
        targets = self.targets if rows is None else self.targets[rows]
        return float(((logits > 0).long() == targets)[targets >= 0].float().mean())


def begin_labels(
    network: Sign, train_set: LabelExamples, val_set: LabelExamples, aggregated: Sequence[Tensor], *, classes: int
) -> None:
    """Set the linear path of a network to one logistic regression per label; see :func:`sign_init.begin`."""
    width = train_set.features.shape[1]
    for label in range(classes):
        one = Sign("sign", width, ModelConfig(depth=len(network.gates)), classes=2)
        begin(one, train_set.of_label(label), val_set.of_label(label), aggregated, classes=2)
        with torch.no_grad():
            network.linear.weight[label] = one.linear.weight[1] - one.linear.weight[0]
            network.linear.bias[label] = one.linear.bias[1] - one.linear.bias[0]


def binary_head(name: str, network: Model, label: int, *, width_in: int, config: ModelConfig) -> Model:
    """Return one head of a network with a sigmoid per label as a binary network, whose logit of label 0 is 0.

    Args:
        name: Name of the model.
        network: Network with a logit per label.
        label: Position of the label.
        width_in: Number of node features.
        config: Sizes of the network.
    """
    state = dict(network.state_dict())
    for key, axis in HEADS.items():
        if key in state:
            chosen = state[key].select(axis, label)
            state[key] = torch.stack([torch.zeros_like(chosen), chosen], dim=axis)
    with torch.random.fork_rng(devices=[]):
        head = build(name, width_in, config, classes=2)
    head.load_state_dict(state)
    head.eval()
    return head
