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
from cardiograph.models.checkpoint import (
    Checkpoint,
    State,
    fingerprint,
    optimiser_state,
    prefixed,
    require_own,
    restore_optimiser,
)
from cardiograph.models.examples import Examples, History
from cardiograph.models.gnn import Network
from cardiograph.models.logistic import fit_logistic
from cardiograph.models.minibatches import Minibatches, drawn_blocks, judged_rows, without_blocks
from cardiograph.models.ranks import MeansOfRanks, Ranks, processes_here
from cardiograph.models.sign import Sign
from cardiograph.models.sign_init import begin
from cardiograph.models.trees import BoostedTrees
from cardiograph.threads import available_threads, keep_freed_memory, one_blas_thread, torch_threads

MIN_RECORDS_FOR_THREADS = 20_000
"""Below this number of records training uses one thread: on a busy machine two threads made an epoch over 431 records 14
times slower."""


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
    checkpoint: Checkpoint | None = None,
) -> tuple[Model, History]:
    """Fit a model and keep the weights of the epoch with the lowest validation loss.

    Logistic regression chooses its penalty by that loss, boosted trees their size and number; the votes of neighbours
    have nothing to learn. The history of these three is a single epoch. SIGN begins as a logistic
    regression, its epoch 0, which is kept if no epoch is better.

    If a ``torch.distributed`` process group is initialised, its processes train one SIGN together: each calls this
    function with the same arguments, computes its part of each minibatch, and returns the same model, which agrees with
    that of a single process to float rounding.

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
        checkpoint: Keeps the state of a network every few epochs; a training that was killed continues from it and ends
            with the same weights, bit for bit.

    Raises:
        ConfigError: The training diverged, or several processes were to train another model than SIGN.
        RunError: Another process of the group was lost, or the checkpoint belongs to another training.
    """
    ranks = Ranks.current()
    if ranks.world > 1 and name != "sign":
        message = f"model {name!r} is trained by one process, not by {ranks.world}; only sign is trained by several"
        raise ConfigError(message)
    if name != "sign":
        ranks = Ranks()  # on the CPU, also where SIGN would use a GPU
    key = b""
    if ranks.world > 1 or checkpoint is not None:
        key = fingerprint(name, train_set, val_set, config=config, seed=seed, classes=classes)
        ranks.require_same(key)
    many = len(train_set.labels) >= MIN_RECORDS_FOR_THREADS
    if len(train_set.labels) > config.full_batch_up_to:
        keep_freed_memory()
    threads = max(1, available_threads() // processes_here()) if many else 1
    with torch.random.fork_rng(devices=[]), torch_threads(threads), one_blas_thread():
        torch.manual_seed(seed)
        network = build(name, train_set.features.shape[1], config, classes=classes)
        log = _Log(network, train_set, val_set, config, ranks)
        descent = _Descent(network, log, config) if isinstance(network, Network | Sign) else None
        kept = None
        if descent is not None and checkpoint is not None:
            kept = ranks.state_of_first(checkpoint.load() if ranks.rank == 0 else None)
        if descent is not None and kept is not None:
            require_own(kept, key)
            descent.restore(kept)
        else:
            _begin(network, log, seed=seed, classes=classes, begin=begin)
        if descent is not None:
            descent.run(progress, _Keeper(checkpoint, key))
    if not log.best_state:
        rate = f"{config.learning_rate:g}"
        message = f"training of {name} diverged: no finite validation loss; lower model.learning_rate ({rate})"
        raise ConfigError(message)
    network.cpu().load_state_dict(log.best_state)
    network.eval()
    return network, log.history()


def _begin(network: Model, log: _Log, *, seed: int, classes: int, begin: Callable[..., None]) -> None:
    """Set the weights with which the descent begins, or those of a model without one, and record its losses."""
    train_set, val_set, ranks = log.train_set, log.val_set, log.ranks
    if isinstance(network, Sign):
        if ranks.rank == 0:
            begin(network.cpu(), train_set, val_set, log.aggregated, classes=classes)
        generator = torch.get_rng_state()
        ranks.copy_first([generator, *(each.data for each in network.to(ranks.device).parameters())])
        torch.set_rng_state(generator)
    elif isinstance(network, Logistic):
        coefficients, intercepts = fit_logistic(train_set, val_set, classes=classes)
        with torch.no_grad():
            network.linear.weight.copy_(coefficients)
            network.linear.bias.copy_(intercepts)
    elif isinstance(network, BoostedTrees):
        network.fit(train_set, val_set, seed=seed)
    if not isinstance(network, Network):
        log.note(0)


class _Log:
    """Learning curves, and the weights of the best epoch so far."""

    def __init__(
        self, network: Model, train_set: Examples, val_set: Examples, config: ModelConfig, ranks: Ranks
    ) -> None:
        self.network, self.train_set, self.val_set, self.ranks = network, train_set, val_set, ranks
        self._seen = judged_rows(train_set.weights, config.batch) if _row_by_row(network) else None
        self.best_loss, self.best_epoch = float("inf"), 0
        self.best_state: State = {}
        self.curves: list[Sequence[float]] = []
        table = train_set.neighbour_table
        if ranks.world > 1 and isinstance(network, Sign):
            self.aggregated = network.aggregate(train_set.features, MeansOfRanks(table, ranks))
        else:
            self.aggregated = network.aggregate(train_set.features, table)
        self.features = train_set.features.to(ranks.device)
        self.means = [mean.to(ranks.device) for mean in self.aggregated]
        self._val_part = ranks.part(len(val_set.labels))
        self._val_table = val_set.neighbour_table.of_rows(self._val_part)
        self._val_aggregated: list[Tensor] | None = None

    def note(self, epoch: int) -> None:
        """Record the losses after an epoch and keep the weights if they are the best."""
        train_set, val_set = self.train_set, self.val_set
        self.network.eval()
        with torch.no_grad():
            train_logits, states = self._train_logits()
            val_logits = self._val_logits(states)
        losses = float(train_set.loss(train_logits, self._seen)), float(val_set.loss(val_logits))
        accuracies = train_set.accuracy(train_logits, self._seen), val_set.accuracy(val_logits)
        numbers = torch.tensor([*losses, *accuracies], dtype=torch.float64)
        self.ranks.copy_first([numbers])  # so that all processes stop at the same epoch
        self.curves.append(numbers.tolist())
        val_loss = self.curves[-1][1]
        if val_loss < self.best_loss:
            self.best_loss, self.best_epoch = val_loss, epoch
            self.best_state = copy.deepcopy(self.network.state_dict())

    def _train_logits(self) -> tuple[Tensor, Sequence[Tensor]]:
        """Return logits of the training records, or of some of very many, and the states that queries aggregate."""
        own, table = self.train_set.features, self.train_set.neighbour_table
        if not _row_by_row(self.network):
            logits, states = self.network(own, table, aggregated=self.aggregated)
            return logits, states
        count = len(own) if self._seen is None else len(self._seen)
        part = self.ranks.part(count)
        rows = part if self._seen is None else self._seen[part]
        means = [mean[rows] for mean in self.means]
        logits, states = self.network(self.features[rows], table.of_rows(rows), aggregated=means)
        if isinstance(self.network, Sign):
            states = [own, *self.aggregated[:-1]]
        return self.ranks.gather(logits.cpu(), count), states

    def _val_logits(self, states: Sequence[Tensor]) -> Tensor:
        """Return logits of the validation records; each process computes its part of them."""
        own, table, device = self.val_set.features[self._val_part], self._val_table, self.ranks.device
        if self._val_aggregated is None:
            self._val_aggregated = [each.to(device) for each in self.network.aggregate(own, table, states)]
        logits, _ = self.network(own.to(device), table, states, self._val_aggregated)
        return self.ranks.gather(logits.cpu(), len(self.val_set.labels))

    def history(self) -> History:
        """Return the learning curves of all epochs."""
        train_loss, val_loss, train_accuracy, val_accuracy = zip(*self.curves, strict=True)
        return History(train_loss, val_loss, train_accuracy, val_accuracy, self.best_epoch)


def _row_by_row(network: Model) -> bool:
    """Return whether a network scores a record without the states of others, so that its loss needs only some records."""
    return isinstance(network, Sign) or (
        isinstance(network, Network) and not any(layer.uses_neighbours for layer in network.layers)
    )


class _Descent:
    """Adam, until the validation loss has not improved for ``patience`` epochs."""

    def __init__(self, network: Network | Sign, log: _Log, config: ModelConfig) -> None:
        network.to(log.ranks.device)
        self.network, self.log, self.config, self.ranks = network, log, config, log.ranks
        self.minibatches = Minibatches(log.train_set.weights, config.batch)
        self.optimiser = torch.optim.Adam(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.first = int(isinstance(network, Sign))
        """First epoch; the beginning of SIGN is epoch 0."""
        self.epoch = self.first

    def run(self, progress: Callable[[int], None] | None, keep: Callable[[_Descent], None]) -> None:
        """Run the epochs that remain.

        Args:
            progress: Callback that receives the number of each finished epoch.
            keep: Callback that receives this descent after each epoch.
        """
        last, patience = self.config.epochs + self.first, self.config.patience
        while self.epoch < last and self.epoch - 1 - self.log.best_epoch < patience:
            self.network.train()
            for rows, logits in self._steps():
                self.optimiser.zero_grad()
                torch.autograd.backward(self.log.train_set.loss(logits, rows))
                self.ranks.sum_gradients(self.network.parameters())
                self.optimiser.step()
            self.log.note(self.epoch)
            self.epoch += 1
            keep(self)
            if progress is not None:
                progress(self.epoch - self.first)

    def _steps(self) -> Iterator[tuple[Tensor | None, Tensor]]:
        """Yield rows and logits of each step of an epoch: minibatches for SIGN and large graphs, else all records.

        In a large graph blocks are hidden batch by batch, so that the features are never copied as a whole.
        """
        network, log, train_set = self.network, self.log, self.log.train_set
        blocks, share = train_set.blocks, self.config.modality_dropout
        hides, large = share > 0 and len(blocks) > 1, len(train_set.labels) > self.config.full_batch_up_to

        def hide(features: Tensor) -> Tensor:
            return without_blocks(features, blocks, drawn_blocks(len(features), len(blocks), share))

        seen = hide(log.features) if hides and not large else log.features
        if isinstance(network, Sign):
            for rows in self.minibatches.epoch():
                part = self.ranks.part(len(rows))  # every process draws for the whole batch, so that all draw alike
                own = rows[part]
                features, votes = seen[own], train_set.neighbour_table.votes[own].to(seen.device)
                if hides and large:
                    features = without_blocks(features, blocks, drawn_blocks(len(rows), len(blocks), share)[part])
                kept = None if self.ranks.world == 1 else network.drawn_dropout(len(rows), part)
                logits = network.scored(features, [mean[own] for mean in log.means], votes, kept)
                yield rows, self.ranks.gather(logits.cpu(), len(rows))
        elif large:
            for rows in self.minibatches.epoch():
                yield (
                    rows,
                    network.scored(rows, seen, train_set.neighbour_table, log.aggregated, hide if hides else None),
                )
        else:
            yield None, network(seen, train_set.neighbour_table, aggregated=None if hides else log.aggregated)[0]

    def state(self) -> State:
        """Return everything that the next epoch depends on."""
        log = self.log
        return {
            **{f"network.{name}": each for name, each in self.network.state_dict().items()},
            **{f"best.{name}": each for name, each in log.best_state.items()},
            **optimiser_state(self.optimiser),
            "generator": torch.get_rng_state(),
            "order": self.minibatches.order,
            "counts": torch.tensor([self.minibatches.used, self.epoch, log.best_epoch]),
            "best_loss": torch.tensor([log.best_loss], dtype=torch.float64),
            "curves": torch.tensor(log.curves, dtype=torch.float64),
        }

    def restore(self, state: State) -> None:
        """Continue from a state."""
        log = self.log
        self.network.load_state_dict(prefixed(state, "network."))
        log.best_state = {name: each.to(self.ranks.device) for name, each in prefixed(state, "best.").items()}
        restore_optimiser(self.optimiser, state)
        torch.set_rng_state(state["generator"])
        self.minibatches.order = state["order"]
        self.minibatches.used, self.epoch, log.best_epoch = state["counts"].tolist()
        log.best_loss = float(state["best_loss"])
        log.curves = state["curves"].tolist()


class _Keeper:
    """Keeps the state of a descent in the checkpoint, by the first process and every few epochs."""

    def __init__(self, checkpoint: Checkpoint | None, key: bytes) -> None:
        self._checkpoint, self._key = checkpoint, key

    def __call__(self, descent: _Descent) -> None:
        done = descent.epoch - descent.first
        if self._checkpoint is not None and descent.ranks.rank == 0 and done % self._checkpoint.every == 0:
            key = torch.frombuffer(bytearray(self._key), dtype=torch.uint8)
            self._checkpoint.save({**descent.state(), "fingerprint": key})
