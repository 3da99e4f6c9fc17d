"""What is known of one ECG file after it was read: hashes, view, metadata, warnings, and its leads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.packed import pack, unpack
from cardiograph.ecg.pages import paper_margins, prepare_ecg, read_any_page
from cardiograph.errors import Issue, PageError
from cardiograph.imaging.grid import Box, crop
from cardiograph.imaging.page_metadata import PageMetadata, extract_metadata
from cardiograph.imaging.prepare import Doubt
from cardiograph.ingest.context import View


@dataclass(frozen=True)
class PageFacts:
    """Facts about one page; the cache keeps them by the SHA-256 of the file.

    Args:
        file_sha256: SHA-256 (hex) of the file, or of all files of a WFDB record.
        pixel_hash: SHA-256 (hex) of the decoded pixels; equal for the same image in different files. The content hash of
            the leads for a file of signals of which leads alone are read, because it is not drawn.
        perceptual_hash: Hex of the uint8 perceptual hashes, by which near-copies are found: [1536] of the picture, or
            [3072] of leads and picture if a model reads leads.
        box: Left, top, right, bottom of the view (the part that the encoder sees) in pixels of the page.
        metadata: Metadata of the page: everything but its traces.
        doubt: Reason why the page does not look like an ECG; None if it does.
        pictures: Number of images in the file (pages or frames); the first is used.
        notes: Sentences about how the page was drawn from a file of signals, or how its leads were read.
        leads_sha256: Content hash (hex) of the leads of a file of signals; empty for an image, or if no leads are needed.
    """

    file_sha256: str
    pixel_hash: str
    perceptual_hash: str
    box: tuple[int, int, int, int]
    metadata: PageMetadata
    doubt: Doubt | None = None
    pictures: int = 1
    notes: tuple[str, ...] = ()
    leads_sha256: str = ""

    @property
    def view(self) -> View:
        """Pixel hash and box, which determine the encoder input."""
        return self.pixel_hash, self.box

    @property
    def leads_key(self) -> str:
        """Hash (hex) that determines the leads: theirs, or that of the file of a page."""
        return self.leads_sha256 or self.file_sha256

    @property
    def hash_values(self) -> NDArray[np.uint8]:
        """[1536 or 3072] uint8 perceptual hashes."""
        return np.frombuffer(bytes.fromhex(self.perceptual_hash), np.uint8)

    @classmethod
    def restore(cls, kept: dict[str, Any]) -> Self:
        """Restore facts from the result of ``dataclasses.asdict`` after a round trip through JSON."""
        grid = kept["metadata"]["grid"]
        metadata = PageMetadata(**kept["metadata"] | {"grid": None if grid is None else tuple(grid)})
        doubt = None if kept["doubt"] is None else Doubt(**kept["doubt"])
        notes = tuple(kept.get("notes", ()))
        return cls(**kept | {"box": tuple(kept["box"]), "metadata": metadata, "doubt": doubt, "notes": notes})


@dataclass(frozen=True)
class ReadFile:
    """What reading a file gave.

    Args:
        facts: Facts about its page.
        packed: Its leads as :func:`cardiograph.ecg.packed.pack` packs them, if they were digitised now.
        leads: Its leads, if they are needed and could be read.
        page_input: Makes the [3, 224, 224] float32 input of an encoder of pages.
    """

    facts: PageFacts
    packed: bytes | None
    leads: Ecg | None
    page_input: Callable[[], NDArray[np.float32]]


def read_file(path: Path, name: str, config: RunConfig, packed: bytes | None) -> ReadFile:
    """Read an ECG file and collect the facts about it.

    Args:
        path: File.
        name: Name of the page in error messages.
        config: Settings.
        packed: Leads of this file that were digitised before, packed; None if there are none.

    Raises:
        PageError: If the file cannot be used, with one issue.
    """
    needs, before = config.needs, unpack(packed) if packed else None
    file = prepare_ecg(path, name=name, config=config.pages, needs=needs, digitised_before=before, draw=False)
    page = file.page
    box = (page.box.left, page.box.top, page.box.right, page.box.bottom)
    if page.page.drawn:
        metadata = extract_metadata(page.page, *paper_margins())
    else:
        metadata = extract_metadata(page.page, page.box if config.pages.view == "grid" else None)
    perceptual_hash, pictures, notes = page.perceptual_hash.tobytes().hex(), page.page.pictures, page.page.notes
    recorded = file.leads.content_hash() if file.leads is not None and page.page.drawn else ""
    facts = PageFacts(
        page.file_sha256, page.pixel_hash, perceptual_hash, box, metadata, page.doubt, pictures, notes, recorded
    )
    digitised_now = not (needs == "page" or page.page.drawn or before)
    return ReadFile(facts, pack(file.leads) if digitised_now else None, file.leads, lambda: page.input)


def read_view(path: Path, facts: PageFacts, config: PagesConfig) -> NDArray[np.uint8]:
    """Read the view of an indexed page again.

    Args:
        path: File of the page.
        facts: Facts about the page.
        config: Page settings.

    Returns:
        [h, w, 3] uint8 RGB.

    Raises:
        PageError: If the file has changed since, or can no longer be read.
    """
    page = read_any_page(path, name=path.name, config=config)
    require_same_file(path, facts, page.file_sha256)
    return crop(page.pixels, Box(*facts.box))


def require_same_file(path: Path, facts: PageFacts, file_sha256: str) -> None:
    """Raise a PageError unless a file that was read again has the hash that was indexed."""
    if file_sha256 != facts.file_sha256:
        rule = "pages must not change during a run"
        issue = Issue(f"page {path.name}", "", "the file has changed", rule, "run the command again", "changed")
        message = "A page changed while it was read."
        raise PageError(message, [issue])
