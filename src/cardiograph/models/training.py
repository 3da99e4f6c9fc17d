"""Training on the reference graph with early stopping on validation records attached as queries."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from cardiograph.config import ModelConfig
from cardiograph.errors import ConfigError
from cardiograph.models.baselines import Logistic
from cardiograph.models.build import Model, build
from cardiograph.models.examples import Examples, History
from cardiograph.models.gnn import Network
from cardiograph.models.logistic import fit_logistic
from cardiograph.models.sign import Sign
from cardiograph.models.sign_init import begin
from cardiograph.models.trees import BoostedTrees
from cardiograph.threads import available_threads, one_blas_thread, torch_threads

MIN_RECORDS_FOR_THREADS = 20_000
"""Below this number of records training uses one thread: on a busy machine two threads made an epoch over 431 records 14
times slower."""


MAX_STEPS = 32
"""Minibatches in an epoch at most. With the default batch of 2,048 records, an epoch of a larger cohort reads 65,536 of
them, the next epoch the next, and the training loss is that of as many records."""


def train(  # noqa: PLR0913 - two sets and the knobs of a training
    name: str,
    train_set: Examples,
    val_set: Examples,
    *,
    config: ModelConfig,
    seed: int,
    classes: int = 2,
    progress: Callable[[int], None] | None = None,
    begin: Callable[..., None] = begin,
) -> tuple[Model, History]:
    """Fit a model and keep the weights of the epoch with the lowest validation loss.

    Logistic regression chooses its penalty by that loss, boosted trees their size and number; the votes of neighbours
    have nothing to learn. The history of these three is a single epoch. SIGN begins as a logistic
    regression, its epoch 0, which is kept if no epoch is better.

    Args:
        name: One of :data:`cardiograph.registry.MODELS`.
        train_set: The reference records first, then augmented copies, which have reference records as neighbours,
            like a query.
        val_set: Validation records, attached to the reference records.
        config: Sizes and optimiser.
        seed: The same seed gives the same weights, bit for bit on one machine.
        classes: Number of different labels.
        progress: Callback that receives the number of each finished epoch.
        begin: Sets the weights with which SIGN begins, with the signature of :func:`cardiograph.models.sign_init.begin`.

    Raises:
        ConfigError: The training diverged.
    """
    threads = 1 if len(train_set.labels) < MIN_RECORDS_FOR_THREADS else available_threads()
    with torch.random.fork_rng(devices=[]), torch_threads(threads), one_blas_thread():
        torch.manual_seed(seed)
        network = build(name, train_set.features.shape[1], config, classes=classes)
        log = _Log(network, train_set, val_set, config)
        if isinstance(network, Sign):
            begin(network, train_set, val_set, log.aggregated, classes=classes)
        elif isinstance(network, Logistic):
            coefficients, intercepts = fit_logistic(train_set, val_set, classes=classes)
            with torch.no_grad():
                network.linear.weight.copy_(coefficients)
                network.linear.bias.copy_(intercepts)
        elif isinstance(network, BoostedTrees):
            network.fit(train_set, val_set, seed=seed)
        if not isinstance(network, Network):
            log.note(0)
        if isinstance(network, Network | Sign):
            _descend(network, log, config, progress)
    if not log.best_state:
        rate = f"{config.learning_rate:g}"
        message = f"training of {name} diverged: no finite validation loss; lower model.learning_rate ({rate})"
        raise ConfigError(message)
    network.load_state_dict(log.best_state)
    network.eval()
    return network, log.history()


class _Log:
    """Learning curves, and the weights of the best epoch so far."""

    def __init__(self, network: Model, train_set: Examples, val_set: Examples, config: ModelConfig) -> None:
        self.network, self.train_set, self.val_set = network, train_set, val_set
        self.minibatches = _minibatches(train_set, config.batch)
        used, limit = torch.nonzero(train_set.weights > 0).flatten(), MAX_STEPS * config.batch
        many = isinstance(network, Sign) and len(used) > limit
        self._seen = used[torch.linspace(0, len(used) - 1, limit).long()] if many else None
        self.best_loss, self.best_epoch = float("inf"), 0
        self.best_state: dict[str, Tensor] = {}
        self._curves: list[tuple[float, float, float, float]] = []
        self.aggregated = network.aggregate(train_set.features, train_set.neighbour_table)
        self._val_aggregated: list[Tensor] | None = None

    def note(self, epoch: int) -> None:
        """Record the losses after an epoch and keep the weights if they are the best."""
        train_set, val_set = self.train_set, self.val_set
        self.network.eval()
        with torch.no_grad():
            train_logits, states = self._train_logits()
            if self._val_aggregated is None:
                self._val_aggregated = self.network.aggregate(val_set.features, val_set.neighbour_table, states)
            val_logits, _ = self.network(val_set.features, val_set.neighbour_table, states, self._val_aggregated)
        val_loss = float(val_set.loss(val_logits))
        losses = float(train_set.loss(train_logits, self._seen)), val_loss
        self._curves.append((*losses, train_set.accuracy(train_logits, self._seen), val_set.accuracy(val_logits)))
        if val_loss < self.best_loss:
            self.best_loss, self.best_epoch = val_loss, epoch
            self.best_state = copy.deepcopy(self.network.state_dict())

    def _train_logits(self) -> tuple[Tensor, Sequence[Tensor]]:
        """Return logits of the training records, or of some of very many, and the states that queries aggregate."""
        own, table, rows, means = self.train_set.features, self.train_set.neighbour_table, self._seen, self.aggregated
        if isinstance(self.network, Sign) and rows is not None:
            scored = self.network.scored(own[rows], [mean[rows] for mean in means], table.votes[rows])
            return scored.mean(1), [own, *means[:-1]]
        logits, states = self.network(own, table, aggregated=means)
        return logits, states

    def history(self) -> History:
        """Return the learning curves of all epochs."""
        train_loss, val_loss, train_accuracy, val_accuracy = zip(*self._curves, strict=True)
        return History(train_loss, val_loss, train_accuracy, val_accuracy, self.best_epoch)


def _descend(network: Network | Sign, log: _Log, config: ModelConfig, progress: Callable[[int], None] | None) -> None:
    """Run Adam until the validation loss has not improved for ``patience`` epochs."""
    train_set = log.train_set
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    large = len(train_set.labels) > config.full_batch_up_to
    first = len(log.best_state) > 0
    for epoch in range(int(first), config.epochs + int(first)):
        network.train()
        for rows, logits in _steps(network, log, config, large=large):
            optimiser.zero_grad()
            torch.autograd.backward(train_set.loss(logits, rows))
            optimiser.step()
        log.note(epoch)
        if progress is not None:
            progress(epoch + 1 - int(first))
        if epoch - log.best_epoch >= config.patience:
            break


def _steps(
    network: Network | Sign, log: _Log, config: ModelConfig, *, large: bool
) -> Iterator[tuple[Tensor | None, Tensor]]:
    """Yield rows and logits of each step of an epoch: minibatches for SIGN and large graphs, else all records.

    In a large graph blocks are hidden batch by batch, so that the features are never copied as a whole.
    """
    train_set = log.train_set
    hides = config.modality_dropout > 0 and len(train_set.blocks) > 1

    def hide(features: Tensor) -> Tensor:
        return _with_hidden_blocks(features, train_set.blocks, config.modality_dropout)

    seen = hide(train_set.features) if hides and not large else train_set.features
    if isinstance(network, Network) and not large:
        yield None, network(seen, train_set.neighbour_table, aggregated=None if hides else log.aggregated)[0]
        return
    for rows in next(log.minibatches):
        if isinstance(network, Sign):
            own = hide(seen[rows]) if hides and large else seen[rows]
            yield (
                rows,
                network.scored(own, [mean[rows] for mean in log.aggregated], train_set.neighbour_table.votes[rows]),
            )
        else:
            yield rows, network.scored(rows, seen, train_set.neighbour_table, log.aggregated, hide if hides else None)


def _minibatches(train_set: Examples, size: int) -> Iterator[Sequence[Tensor]]:
    """Yield the minibatches of each epoch: shuffled rows of the loss in batches of about ``size``."""
    rows = torch.nonzero(train_set.weights > 0).flatten()
    while True:
        shuffled = rows[torch.randperm(len(rows))] if len(rows) > size else rows
        batches = shuffled.chunk(-(-len(rows) // size))
        yield from (batches[start : start + MAX_STEPS] for start in range(0, len(batches), MAX_STEPS))


def _with_hidden_blocks(features: Tensor, blocks: tuple[tuple[int, int], ...], share: float) -> Tensor:
    """Hide one block of a share of the records, as if these records lacked it (modality dropout)."""
    hidden = torch.rand(len(features)) < share
    which = torch.randint(len(blocks), (len(hidden),))
    seen = features.clone()
    for number, (start, stop) in enumerate(blocks):
        seen[hidden & (which == number), start:stop] = 0
    return seen
