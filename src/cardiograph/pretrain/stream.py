"""Endless stream of batches for pretraining; batch ``k`` of a seed is always the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.encoders.leads_input import BEAT_SAMPLES, INPUT_SHAPE, SAMPLES
from cardiograph.pretrain.layouts import random_views
from cardiograph.synthesis.clinical_findings import draw_heart
from cardiograph.synthesis.clinical_heart import parameters, statements
from cardiograph.synthesis.clinical_recording import record_hearts

if TYPE_CHECKING:
    from cardiograph.pretrain.records import Records

AnyBatch = TypeVar("AnyBatch")
_Given = TypeVar("_Given", covariant=True)

LENGTHS: Final = ((0.7, 250), (0.9, 500), (1.0, SAMPLES))
"""Until which share of the steps recordings have how many samples; short ones take a quarter of the time of long ones."""

PARTS: Final = 4
"""Batches for which hearts are drawn at once."""

VIEWS: Final = 4
"""Views of each heart; drawing a heart takes longer than learning from a short view of it."""

SHARES: Final = (0.03, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95)
"""Shares of the hearts that do not exceed the limits of a measurement."""

SOFTNESS: Final = 0.07
"""Softness of a limit as a share of the distance from the 5th to the 95th percentile."""

_AHEAD: Final = 12

PILOT_HEARTS: Final = 512

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """Inputs and targets of one training step.

    Args:
        hearts: [hearts, 24, samples + 112] views of drawn hearts.
        parameters: [hearts, parameters] targets, NaN where undefined.
        statements: [hearts, statements] 0 or 1.
        records: [2 * records, 24, samples + 112] two views of each real recording, first views first.
        measurements: [hearts + 2 * records, measurements] targets, NaN where there is no value or the view does not
            show the lead.
        age: [2 * records] years, NaN if unknown.
        male: [2 * records] 0 or 1, NaN if unknown.
    """

    hearts: Floats
    parameters: Floats
    statements: Floats
    records: Floats
    measurements: Floats
    age: Floats
    male: Floats


@dataclass(frozen=True)
class Stream:
    """Batches of a seed.

    Args:
        seed: Seed of all batches.
        steps: Number of steps of the training; ``LENGTHS`` says how long the views of each step are.
        hearts: Drawn hearts in each batch.
        pairs: Real recordings in each batch, each in two views.
        records: Real recordings, or None.
    """

    seed: int
    steps: int
    hearts: int
    pairs: int
    records: Records | None = None

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        """Return the batch of a step."""
        rng = np.random.default_rng([self.seed, 1, step])
        samples = next(length for share, length in LENGTHS if step < share * self.steps)
        group, place = divmod(step, PARTS * VIEWS)
        order = np.random.default_rng([self.seed, 2, group, place // PARTS]).permutation(PARTS * self.hearts)
        rows = order[place % PARTS :: PARTS]
        drawn = _hearts(self.seed, group, len(order)).of(rows)
        views = random_views(drawn.signal, rng, samples=samples)
        measured = _of_shown_leads(drawn.measurements, views)
        if self.records is None:
            empty = np.zeros((0, INPUT_SHAPE[0], samples + BEAT_SAMPLES), np.float32)
            return Batch(views, drawn.parameters, drawn.statements, empty, measured, empty[:, 0, 0], empty[:, 0, 0])
        known = self.records
        chosen = rng.choice(len(known.signal), min(self.pairs, len(known.signal)), replace=False)
        twice = np.concatenate([chosen, chosen])
        real = random_views(known.signal[twice], rng, samples=samples)
        measured = np.concatenate([measured, _of_shown_leads(known.measurements[twice], real)])
        return Batch(views, drawn.parameters, drawn.statements, real, measured, known.age[twice], known.male[twice])


_LEAD_OF: Final = np.array(
    [LEADS.index(name.rpartition("_")[2]) if spec.per_lead else -1 for name, spec in MEASUREMENTS.items()]
)
"""Lead of each measurement, -1 for those of several leads."""


def _of_shown_leads(measured: Floats, views: Floats) -> Floats:
    """Return measurements with NaN for those of leads that a view does not show."""
    shown = views[:, len(LEADS) :].max(2) > 0
    return np.where((_LEAD_OF < 0) | shown[:, _LEAD_OF], measured, np.float32(np.nan))


@dataclass(frozen=True)
class _Drawn:
    signal: Floats
    parameters: Floats
    measurements: Floats
    statements: Floats

    def of(self, rows: NDArray[np.intp]) -> _Drawn:
        return _Drawn(self.signal[rows], self.parameters[rows], self.measurements[rows], self.statements[rows])


@lru_cache(maxsize=1)
def _hearts(seed: int, group: int, count: int) -> _Drawn:
    rng = np.random.default_rng([seed, 0, group])
    hearts = [draw_heart(rng) for _ in range(count)]
    made = record_hearts(hearts, rng)
    holds = np.array([list(statements(heart).values()) for heart in hearts], dtype=np.float32)
    return _Drawn(made.signal, np.stack([parameters(heart) for heart in hearts]), made.measurements, holds)


class Batches(Protocol[_Given]):
    """Batches of a training by step."""

    def __len__(self) -> int: ...

    def __getitem__(self, step: int) -> _Given: ...


def batches(stream: Batches[AnyBatch], *, start: int, workers: int, ahead: int = _AHEAD) -> Iterator[AnyBatch]:
    """Yield the batches from ``start`` on.

    Args:
        stream: Batches of all steps.
        start: First step.
        workers: Processes that prepare batches in advance; 0 for none.
        ahead: Batches that each process prepares in advance.
    """
    from torch.utils.data import DataLoader, Subset

    rest: Subset[AnyBatch] = Subset(stream, range(start, len(stream)))  # type: ignore[arg-type]
    early = {"num_workers": workers, "prefetch_factor": ahead} if workers else {}
    yield from DataLoader(rest, batch_size=None, collate_fn=_same, **early)  # type: ignore[arg-type]


def _same(batch: AnyBatch) -> AnyBatch:
    return batch


@dataclass(frozen=True)
class Scales:
    """Middle and spread of the regression targets.

    Args:
        mean: [parameters] means.
        spread: [parameters] standard deviations.
        limits: [measurements, limits] values that the given ``SHARES`` of the hearts do not exceed.
        softness: [measurements] distance from a limit at which a value clearly lies on one side.
    """

    mean: Floats
    spread: Floats
    limits: Floats
    softness: Floats


@lru_cache(maxsize=1)
def scales() -> Scales:
    """Look at the targets of 512 hearts of a fixed seed, so that all seeds share one scale."""
    rng = np.random.default_rng(0)
    hearts = [draw_heart(rng) for _ in range(PILOT_HEARTS)]
    values = np.stack([parameters(heart) for heart in hearts])
    measured = record_hearts(hearts, rng).measurements
    limits = np.nanquantile(measured, SHARES, axis=0).T
    low, high = np.nanquantile(measured, (0.05, 0.95), axis=0)
    softness = SOFTNESS * (high - low) + 1e-6
    return Scales(
        np.nanmean(values, 0), np.nanstd(values, 0) + 1e-6, *(x.astype(np.float32) for x in (limits, softness))
    )
