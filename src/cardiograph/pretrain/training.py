"""Training loop of the ECG encoder, with checkpoints from which an interrupted training resumes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError  # only to catch the error: everything is loaded with weights_only
from typing import Any, Final

import torch
from torch import nn

from cardiograph.encoders.ecg_network import EcgNetwork
from cardiograph.errors import RunError
from cardiograph.pretrain.objective import Heads, Objective
from cardiograph.pretrain.records import Records
from cardiograph.pretrain.stream import PARTS, VIEWS, AnyBatch, Stream, batches, scales

CHECKPOINT: Final = "checkpoint.pt"
CURVES: Final = "curves.json"
REAL_SHARE: Final = 0.25
"""Pages of real recordings for each page of a drawn heart in a distillation."""

_WARM_UP: Final = 0.04
SECONDS_BETWEEN_CHECKPOINTS: Final = 60.0
_STEPS_IN_A_POINT: Final = 25


@dataclass(frozen=True)
class Recipe:
    """Settings of a pretraining, which with the recordings determine the weights.

    Args:
        hearts: Number of drawn hearts, each seen in four views.
        seed: Seed of the hearts, the views and the first weights.
        batch: Drawn hearts in a step.
        pairs: Real recordings in a step, each in two views.
        copies: Turned copies of each real recording.
        rate: Largest learning rate of AdamW, reached after 4 % of the steps; a cosine takes it to 0.
        decay: Weight decay of AdamW.
    """

    hearts: int = 48_000
    seed: int = 0
    batch: int = 64
    pairs: int = 16
    copies: int = 8
    rate: float = 2e-3
    decay: float = 0.02

    @property
    def steps(self) -> int:
        """Number of training steps."""
        return VIEWS * PARTS * math.ceil(self.hearts / (PARTS * self.batch))


@dataclass(frozen=True)
class PageRecipe:
    """Settings of a distillation from pages.

    Args:
        hearts: Number of drawn hearts, each on one page.
        seed: Seed of the hearts, the pages and the first weights.
        batch: Pages of drawn hearts in a step; with real recordings, a quarter as many pages of these are added.
        copies: Turned copies of each real recording.
        rate: Largest learning rate of AdamW, reached after 4 % of the steps; a cosine takes it to 0.
        decay: Weight decay of AdamW.
        encoder: Name of the network.
    """

    hearts: int = 40_000
    seed: int = 0
    batch: int = 32
    copies: int = 8
    rate: float = 1e-3
    decay: float = 0.02
    encoder: str = "resnet18-ecg"

    @property
    def steps(self) -> int:
        """Number of training steps."""
        return math.ceil(self.hearts / self.batch)


@dataclass(frozen=True)
class Trained:
    """A finished pretraining.

    Args:
        network: Network in evaluation mode.
        heads: Heads of the pretraining tasks, in evaluation mode.
        curves: Mean of each term of the loss over 25 steps: a list of points with ``step``.
        seconds: Time that the training took, over all its parts.
    """

    network: nn.Module
    heads: nn.Module
    curves: list[dict[str, float]]
    seconds: float


def pretrain(
    recipe: Recipe,
    folder: Path,
    records: Records | None = None,
    *,
    workers: int = 1,
    each: Callable[[int], None] = lambda steps: None,
) -> Trained:
    """Train a network, on a GPU if there is one; resume from the checkpoint of the folder.

    Args:
        recipe: Settings.
        folder: Folder of the checkpoint and the curves.
        records: Real recordings.
        workers: Processes that draw hearts; 0 to draw them in this process.
        each: Called with a number of completed steps.

    Raises:
        RunError: If the checkpoint of the folder belongs to another recipe or is damaged, or cannot be written.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network, heads = EcgNetwork().train(), Heads()
    device = training_device()
    network, heads = network.to(device), heads.to(device)
    state = State(network, heads, recipe, records)
    state.resume(folder / CHECKPOINT)
    each(state.step)
    stream, objective = (
        Stream(recipe.seed, recipe.steps, recipe.batch, recipe.pairs, records),
        Objective(scales(), device),
    )
    steps = batches(stream, start=state.step, workers=workers)
    state.train(steps, lambda batch: objective.terms(network, heads, batch), folder, each)
    return Trained(network.cpu().eval(), heads.cpu().eval(), state.curves, state.seconds)


def training_device() -> str:
    """Return the device of a training: ``cuda`` if torch finds a GPU, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def mixed_precision() -> torch.autocast:
    """Return the precision of a training step: bfloat16 where a GPU supports it, else float32 throughout.

    Weights, gradients and the optimizer stay in float32.
    """
    device = training_device()
    return torch.autocast(device, torch.bfloat16, enabled=device == "cuda" and torch.cuda.is_bf16_supported())


class State:
    """Everything that changes during a training.

    Args:
        network: Network in training mode.
        heads: Heads of its tasks.
        recipe: Settings; ``rate`` and ``decay`` are those of AdamW.
        records: Real recordings.
    """

    def __init__(
        self, network: nn.Module, heads: nn.Module, recipe: Recipe | PageRecipe, records: Records | None
    ) -> None:
        self._modules, self._recipe = nn.ModuleList([network, heads]), recipe
        self.optimizer = torch.optim.AdamW(self._modules.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
        self.step, self.seconds = 0, 0.0
        self.curves: list[dict[str, float]] = []
        self._sums: dict[str, float] = {}
        self._identity = {**asdict(recipe), "records": list(records.hashes) if records else []}

    def train(
        self,
        batches: Iterable[AnyBatch],
        terms: Callable[[AnyBatch], dict[str, torch.Tensor]],
        folder: Path,
        each: Callable[[int], None],
    ) -> None:
        """Make a step for each batch, with checkpoints.

        Args:
            batches: Batches of the steps that are left.
            terms: Terms of the loss of a batch.
            folder: Folder of the checkpoint and the curves.
            each: Called with a number of completed steps.

        Raises:
            RunError: If a checkpoint cannot be written.
        """
        saved = time.monotonic()
        begun = saved - self.seconds
        for batch in batches:
            for group in self.optimizer.param_groups:
                group["lr"] = self._recipe.rate * _rate_share(self.step / self._recipe.steps)
            with mixed_precision():
                found = terms(batch)
            self._advance(found)
            self.seconds = time.monotonic() - begun
            each(1)
            if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                self._save(folder)
                saved = time.monotonic()
        self._save(folder)

    def _advance(self, terms: dict[str, torch.Tensor]) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        Objective.total(terms).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._modules.parameters(), 2.0)
        self.optimizer.step()
        self.step += 1
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.detach()) / _STEPS_IN_A_POINT
        if self.step % _STEPS_IN_A_POINT == 0:
            self.curves.append({"step": self.step, **{name: round(value, 5) for name, value in self._sums.items()}})
            self._sums = {}

    def _save(self, folder: Path) -> None:
        """Write the checkpoint and the curves."""
        content = {
            "recipe": self._identity,
            "modules": self._modules.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "curves": self.curves,
            "sums": self._sums,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            torch.save(content, folder / f"{CHECKPOINT}.partial")
            (folder / f"{CHECKPOINT}.partial").replace(folder / CHECKPOINT)
            (folder / CURVES).write_text(json.dumps(self.curves, indent=1) + "\n", encoding="utf-8")
        except (OSError, RuntimeError) as error:  # torch raises RuntimeError if it cannot write
            message = f"{folder}: the checkpoint cannot be written ({error}); free disk space, or choose another folder"
            raise RunError(message) from error

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint, if the file exists."""
        if not path.exists():
            return
        try:
            content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
            message = f"{path}: is damaged ({type(error).__name__}); delete it to start the pretraining again"
            raise RunError(message) from error
        changed = [name for name, value in self._identity.items() if content["recipe"].get(name) != value]
        if changed:
            message = (
                f"{path.parent}: holds a pretraining with other {', '.join(changed)}; choose another folder, or delete "
                "this one to start again"
            )
            raise RunError(message)
        self._modules.load_state_dict(content["modules"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.step, self.seconds, self.curves = content["step"], content["seconds"], content["curves"]
        self._sums = content["sums"]


def _rate_share(progress: float) -> float:
    """Return the learning rate as a share of its largest value."""
    if progress < _WARM_UP:
        return (progress + 1e-3) / _WARM_UP
    return 0.5 + 0.5 * math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP))
