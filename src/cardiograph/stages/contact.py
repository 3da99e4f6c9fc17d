"""The contact sheet of a run: what the encoder sees of training pages and of their copies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TRAIN
from cardiograph.imaging.augment import augment, contact_sheet
from cardiograph.stages.ingest import read_view
from cardiograph.stages.studied import Studied

_TILES = 8


def sample_sheet(studied: Studied, config: RunConfig) -> bytes:
    """A PNG of what the encoder sees: training records beside their copies, or training records of both classes.

    Raises:
        ValueError: The cohort has no pages.
    """
    cohort, survey, augmented = studied.cohort, studied.survey, studied.augmented
    if survey is None:
        message = "a contact sheet needs pages"
        raise ValueError(message)
    tiles: list[tuple[str, NDArray[np.uint8]]] = []

    def view(row: int) -> NDArray[np.uint8]:
        return read_view(*survey.page(row), config.pages)

    if augmented is not None and augmented.draws:
        pairs = list(zip(augmented.copies.source, augmented.draws, strict=True))
        for row, draw in pairs[: _TILES // 2]:
            pixels = view(int(row))
            told = f"copy, {draw.rotation_degrees:+.1f} degrees"
            tiles += [(str(cohort.record_ids[row]), pixels), (told, augment(pixels, draw))]
        return contact_sheet(tiles)
    shown = np.array([facts is not None and facts.box[2] > 0 for facts in survey.facts])  # a page that can be shown
    train = studied.split.rows(TRAIN)
    train = train[shown[train]]
    for label in (0, 1):
        rows = train[cohort.labels[train] == label]
        for row in np.random.default_rng([config.seed, 3]).permutation(rows)[: _TILES // 2]:
            tiles.append((f"{cohort.record_ids[row]} ({cohort.table['class_name'][row]})", view(int(row))))
    return contact_sheet(tiles)
