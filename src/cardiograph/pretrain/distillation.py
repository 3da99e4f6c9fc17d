"""Distillation: a ResNet18 that sees a page learns what the ECG network reads in the leads of that page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.encoders.ecg_network import WIDTH, ecg_network
from cardiograph.encoders.leads_input import input_of
from cardiograph.encoders.resnet import page_network
from cardiograph.imaging.prepare import IMAGENET_MEAN, IMAGENET_STD, INPUT_SIZE
from cardiograph.pretrain.drawn_pages import random_layout, random_view, shown_part
from cardiograph.pretrain.objective import exceeded, regression
from cardiograph.pretrain.records import Records
from cardiograph.pretrain.stream import SHARES, batches, scales
from cardiograph.pretrain.training import CHECKPOINT, REAL_SHARE, PageRecipe, State, Trained, training_device
from cardiograph.synthesis.clinical_findings import draw_heart
from cardiograph.synthesis.clinical_heart import PARAMETERS, STATEMENTS, parameters, statements
from cardiograph.synthesis.clinical_recording import record_hearts
from cardiograph.threads import available_threads

PAGE_WEIGHTS: Final = "resnet18-ecg.safetensors"
SIDES: Final = ((0.5, 112), (0.8, 160), (1.0, INPUT_SIZE))
"""Until which share of the steps pages have which side in pixels; the time of a step grows with the area."""

_PILOT: Final = 256

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class PageBatch:
    """Pages and targets of one step, those of drawn hearts first.

    Args:
        pages: [n, 224, 224, 3] uint8 RGB.
        teacher: [n, 512] embeddings of the leads that each page shows.
        measurements: [n, measurements], NaN where there is no value.
        parameters: [hearts, parameters], NaN where undefined.
        statements: [hearts, statements] 0 or 1.
    """

    pages: NDArray[np.uint8]
    teacher: Floats
    measurements: Floats
    parameters: Floats
    statements: Floats


class PageStream:
    """Batches of pages; batch ``k`` of a recipe is always the same.

    Args:
        recipe: Settings.
        records: Real recordings, or None.
    """

    def __init__(self, recipe: PageRecipe, records: Records | None = None) -> None:
        self._recipe, self._records = recipe, records
        self._teacher = ecg_network()

    def __len__(self) -> int:
        return self._recipe.steps

    def __getitem__(self, step: int) -> PageBatch:
        """Return the batch of a step."""
        rng = np.random.default_rng([self._recipe.seed, 5, step])
        hearts = [draw_heart(rng) for _ in range(self._recipe.batch)]
        made = record_hearts(hearts, rng)
        signal, measured = made.signal, made.measurements
        if self._records is not None:
            rows = rng.integers(0, len(self._records.signal), round(REAL_SHARE * len(hearts)))
            signal = np.concatenate([signal, self._records.signal[rows]])
            measured = np.concatenate([measured, self._records.measurements[rows]])
        layouts = [random_layout(rng) for _ in signal]
        pages = [random_view(each, layout, rng) for each, layout in zip(signal, layouts, strict=True)]
        inputs = [input_of(shown_part(each, layout)) for each, layout in zip(signal, layouts, strict=True)]
        with torch.inference_mode():
            teacher = self._teacher(torch.from_numpy(np.stack(inputs))).numpy()
        holds = np.array([list(statements(heart).values()) for heart in hearts], dtype=np.float32)
        return PageBatch(np.stack(pages), teacher, measured, np.stack([parameters(each) for each in hearts]), holds)


class PageHeads(nn.Module):
    """Linear heads on the embedding of a page, one for each target, with the scales of the targets."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher = nn.Linear(WIDTH, WIDTH)
        self.measurements = nn.Linear(WIDTH, len(MEASUREMENTS) * len(SHARES))
        self.values = nn.Linear(WIDTH, len(PARAMETERS))
        self.statements = nn.Linear(WIDTH, len(STATEMENTS))
        scale = scales()
        for name in ("mean", "spread", "limits", "softness"):
            self.register_buffer(name, torch.from_numpy(getattr(scale, name)))
        middle, spread = _teacher_scale()
        self.register_buffer("teacher_middle", middle)
        self.register_buffer("teacher_spread", spread)

    def terms(self, network: nn.Module, batch: PageBatch, side: int) -> dict[str, Tensor]:
        """Return each term of the loss of one batch, without its weight."""
        pages, teacher, measured, values, holds = (
            torch.from_numpy(each).to(self.get_buffer("mean").device)
            for each in (batch.pages, batch.teacher, batch.measurements, batch.parameters, batch.statements)
        )
        embedding = network(as_input(pages, side))
        drawn = embedding[: len(holds)]
        wanted = (teacher - self.get_buffer("teacher_middle")) / self.get_buffer("teacher_spread")
        answer = self.teacher(embedding)
        alike = nn.functional.cosine_similarity(answer, wanted, dim=1).mean()
        limits, softness = self.get_buffer("limits"), self.get_buffer("softness")
        return {
            "teacher": nn.functional.mse_loss(answer, wanted) + 1 - alike,
            "measurements": exceeded(self.measurements(embedding), measured, limits=limits, softness=softness),
            "parameters": regression(
                self.values(drawn), (values - self.get_buffer("mean")) / self.get_buffer("spread")
            ),
            "statements": nn.functional.binary_cross_entropy_with_logits(self.statements(drawn), holds),
        }


def as_input(pages: Tensor, side: int = INPUT_SIZE) -> Tensor:
    """Standardise [n, 224, 224, 3] uint8 views as :func:`cardiograph.imaging.prepare.to_input` does.

    Args:
        pages: Views.
        side: Side of the result in pixels, at most 224; each pixel is the mean of the area that it covers.
    """
    values = pages.permute(0, 3, 1, 2).float() / 255
    if side != INPUT_SIZE:
        values = nn.functional.interpolate(values, (side, side), mode="area")
    mean, std = (torch.tensor(each, device=pages.device)[:, None, None] for each in (IMAGENET_MEAN, IMAGENET_STD))
    return ((values - mean) / std).contiguous(memory_format=torch.channels_last)


def _teacher_scale() -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the teacher's values over pages of a fixed seed."""
    rng = np.random.default_rng(0)
    signal = record_hearts([draw_heart(rng) for _ in range(_PILOT)], rng).signal
    inputs = np.stack([input_of(shown_part(each, random_layout(rng))) for each in signal])
    with torch.inference_mode():
        values = ecg_network()(torch.from_numpy(inputs))
    spread = values.std(0)
    return values.mean(0).clone(), spread.clamp(min=0.1 * float(spread.median())).clone()


def distil(
    recipe: PageRecipe,
    folder: Path,
    records: Records | None = None,
    *,
    workers: int | None = None,
    each: Callable[[int], None] = lambda steps: None,
) -> Trained:
    """Train a ResNet18 on pages, on a GPU if there is one; resume from the checkpoint of the folder.

    Args:
        recipe: Settings.
        folder: Folder of the checkpoint and the curves.
        records: Real recordings.
        workers: Processes that draw pages, 0 to draw them in this process. By default one, or with a GPU, which learns
            faster than a process draws, one for each core but one.
        each: Called with a number of completed steps.

    Raises:
        RunError: If the checkpoint of the folder belongs to another recipe or is damaged, or cannot be written.

    Source: Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network, arXiv:1503.02531 (2015).
    """
    device = training_device()
    if workers is None:
        workers = 1 if device == "cpu" else max(available_threads() - 1, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network, heads = page_network().train(), PageHeads()
    heads = heads.to(device)
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
    state = State(network, heads, recipe, records)
    state.resume(folder / CHECKPOINT)
    each(state.step)
    steps = batches(PageStream(recipe, records), start=state.step, workers=workers, ahead=2)
    state.train(steps, lambda batch: heads.terms(network, batch, _side(state.step / recipe.steps)), folder, each)
    return Trained(network.cpu().eval(), heads.cpu().eval(), state.curves, state.seconds)


def _side(progress: float) -> int:
    return next(side for share, side in SIDES if progress < share)
