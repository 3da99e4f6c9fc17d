"""Fine-tuning: the last layers of the ECG encoder adapt to the outcome, on training records alone."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import TRAIN, VAL, Cohort, Split
from cardiograph.errors import CohortError
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.encoder_choice import Encoder
from cardiograph.ingest.leads import read_leads
from cardiograph.ingest.page_index import PageIndex

if TYPE_CHECKING:
    from torch import Tensor, nn

ADAPTED: Final = ("embedding.", "readout.", "beat.4.", "beat.5.")
"""Beginnings of the names of the parameters that change: the last layers of both branches, and the layer that joins them."""

RATE: Final = 3e-4
DECAY: Final = 0.05
BATCH: Final = 32
EPOCHS: Final = 40
PATIENCE: Final = 5
"""Epochs without a better loss on the validation records after which the fine-tuning ends."""


@dataclass(frozen=True)
class Examples:
    """Inputs of the encoder with their labels.

    Args:
        inputs: [records, 24, 1112] from :func:`cardiograph.encoders.leads_input.leads_input`.
        labels: [records] 0 or 1.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Adapted:
    """Outcome of a fine-tuning.

    Args:
        tensors: Parameters of the encoder at the epoch with the smallest loss on the validation records; those it had
            before if no epoch was better.
        losses: Loss on the validation records before the first and after each epoch.
        epoch: Epoch of the parameters; 0 for those it had before.
    """

    tensors: dict[str, Tensor]
    losses: tuple[float, ...]
    epoch: int


def finetune(encoder: Encoder, page_index: PageIndex, cohort: Cohort, split: Split, context: RunContext) -> Encoder:
    """Return the encoder adapted to the outcome of the training records, with a fingerprint of its own.

    Args:
        encoder: The encoder that reads leads.
        page_index: ECGs of the cohort.
        cohort: Records with labels.
        split: Part of each record. Only labelled training and validation records are read.
        context: Settings, cache and progress.

    Raises:
        CohortError: If training or validation records of a class are missing.
    """
    from cardiograph.encoders.conversion import load_network
    from cardiograph.encoders.engine import make_engine
    from cardiograph.encoders.weights import Weights, hash_of, load_weights

    facts, config = encoder.facts, context.config.encoder
    rows = np.flatnonzero(np.isin(split.part, (TRAIN, VAL)) & (cohort.labels >= 0) & page_index.paged)
    context.progress.start("reading ECGs for fine-tuning", len(rows), unit="ECGs")
    examples = _read(page_index, rows, cohort, split, context)
    weights = load_weights(
        config.weights, seed=config.seed, cache=context.cache.folder, architecture=facts.architecture
    )
    network = load_network(weights, facts.readout, facts.architecture)
    context.progress.start("fine-tuning the encoder", EPOCHS, unit="epochs")
    adapted = adapt(network, *examples, seed=context.config.seed, each=context.progress.advance)
    source = f"{weights.source}, fine-tuned on {len(examples[0].labels)} training records (epoch {adapted.epoch})"
    tuned = Weights(adapted.tensors, hash_of(adapted.tensors), source)
    engine = make_engine(
        tuned,
        facts.engine,
        facts.precision,
        cache=context.cache.folder,
        readout=facts.readout,
        device=facts.device,
        architecture=facts.architecture,
    )
    return Encoder(engine, dataclasses.replace(facts, weights_sha256=tuned.sha256, weights_source=source), encoder.why)


def _read(
    page_index: PageIndex, rows: NDArray[np.intp], cohort: Cohort, split: Split, context: RunContext
) -> tuple[Examples, Examples]:
    """Return training and validation examples; records whose leads cannot be read are left out."""
    from cardiograph.encoders.leads_input import leads_input

    found: dict[str, list[tuple[NDArray[np.float32], int]]] = {TRAIN: [], VAL: []}
    for row, leads in zip(rows, read_leads(page_index, rows.tolist(), context), strict=True):
        context.progress.advance()
        if leads is not None:
            found[str(split.part[row])].append((leads_input(leads), int(cohort.labels[row])))
    for part, title in ((TRAIN, "training"), (VAL, "validation")):
        if len({label for _, label in found[part]}) < 2:
            message = (
                f"encoder.finetune: the {title} records with a readable ECG are all of one class; add records, or leave "
                "out --set encoder.finetune=true"
            )
            raise CohortError(message)
    train, val = (Examples(np.stack([x for x, _ in each]), np.array([y for _, y in each])) for each in found.values())
    return train, val


def adapt(
    network: nn.Module,
    train: Examples,
    val: Examples,
    *,
    seed: int,
    each: Callable[[], None] = lambda: None,
    epochs: int = EPOCHS,
) -> Adapted:
    """Train the last layers and a linear head until the validation records are no longer better predicted.

    The head starts as a logistic regression of the untouched embeddings, so that the first epoch does not spoil them.
    Classes have equal weight. Means and spreads of batch normalisation stay as they are.

    Args:
        network: The encoder; it is not changed.
        train: Examples that are learned from.
        val: Examples that decide when to stop.
        seed: Seed of the order of the examples.
        each: Called after each epoch.
        epochs: Largest number of epochs.
    """
    import torch
    from torch import nn

    tuned = copy.deepcopy(network).eval()
    for name, parameter in tuned.named_parameters():
        parameter.requires_grad_(name.startswith(ADAPTED))
    head = _first_head(_embed(tuned, train.inputs), train.labels)
    share = train.labels.mean()
    weight = {0: 0.5 / (1 - share), 1: 0.5 / share}

    def loss_of(inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> Tensor:
        logits = head(tuned(torch.from_numpy(inputs)))[:, 0]
        weights = torch.tensor([weight[int(label)] for label in labels], dtype=torch.float32)
        wanted = torch.from_numpy(labels.astype(np.float32))
        return nn.functional.binary_cross_entropy_with_logits(logits, wanted, weights)

    def validate() -> float:
        with torch.inference_mode():
            parts = [slice(at, at + 128) for at in range(0, len(val.labels), 128)]
            sums = [float(loss_of(val.inputs[part], val.labels[part])) * len(val.labels[part]) for part in parts]
        return sum(sums) / len(val.labels)

    changing = [*head.parameters(), *(p for p in tuned.parameters() if p.requires_grad)]
    optimizer = torch.optim.AdamW(changing, lr=RATE, weight_decay=DECAY)
    rng, losses, best, kept = np.random.default_rng(seed), [validate()], 0, copy.deepcopy(tuned.state_dict())
    for epoch in range(1, epochs + 1):
        order = rng.permutation(len(train.labels))
        for rows in np.array_split(order, max(1, len(order) // BATCH)):
            optimizer.zero_grad(set_to_none=True)
            loss_of(train.inputs[rows], train.labels[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        losses.append(validate())
        each()
        if losses[-1] < losses[best]:
            best, kept = epoch, copy.deepcopy(tuned.state_dict())
        elif epoch - best >= PATIENCE:
            break
    return Adapted(kept, tuple(losses), best)


def _embed(network: nn.Module, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        parts = [network(torch.from_numpy(inputs[at : at + 128])).numpy() for at in range(0, len(inputs), 128)]
    return np.concatenate(parts)


def _first_head(embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> nn.Linear:
    """Return a linear layer that predicts as a logistic regression of standardised embeddings does."""
    import torch
    from sklearn.linear_model import LogisticRegression

    middle, spread = embeddings.mean(0), embeddings.std(0) + 1e-3
    fitted = LogisticRegression(C=3e-3, class_weight="balanced", max_iter=500)
    fitted.fit((embeddings - middle) / spread, labels)
    weight = fitted.coef_[0] / spread
    head = torch.nn.Linear(len(weight), 1)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight[None].astype(np.float32)))
        head.bias.copy_(torch.tensor([float(fitted.intercept_[0] - weight @ middle)]))
    return head
