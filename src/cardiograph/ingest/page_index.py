"""Index of the pages of a cohort: file hash, grid box, fingerprints and metadata of each page."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.page_places import page_issue
from cardiograph.config import PagesConfig
from cardiograph.containers import Cohort
from cardiograph.errors import Issue, PageError
from cardiograph.imaging.grid import Box, crop
from cardiograph.imaging.page_metadata import METADATA_VERSION, PageTraits, page_traits
from cardiograph.imaging.prepare import judgement, page_remarks, prepare_page, refusal
from cardiograph.imaging.reading import read_page
from cardiograph.ingest.context import RunContext, View
from cardiograph.regular_files import open_regular
from cardiograph.threads import available_threads

_Item = TypeVar("_Item")


_Result = TypeVar("_Result")


@dataclass(frozen=True)
class PageFacts:
    """What is known of a page after it was read once.

    Args:
        file_sha256: Of the file.
        pixel_hash: Pixel hash of the decoded pixels.
        perceptual_hash: Hex of the trace fingerprint.
        box: Left, top, right, bottom of the view in pixels.
        traits: What the page tells beside its traces.
        doubt: Why it does not look like an ECG; None where it does.
        pictures: Pages or frames in its file, the first of which was read.
    """

    file_sha256: str
    pixel_hash: str
    perceptual_hash: str
    box: tuple[int, int, int, int]
    traits: PageTraits
    doubt: str | None = None
    pictures: int = 1

    @property
    def view(self) -> View:
        """What decides the encoder's input."""
        return self.pixel_hash, self.box

    @property
    def likeness(self) -> NDArray[np.uint8]:
        """[bytes] uint8 trace fingerprint."""
        return np.frombuffer(bytes.fromhex(self.perceptual_hash), np.uint8)

    @classmethod
    def restore(cls, kept: dict[str, Any]) -> Self:
        """From what ``dataclasses.asdict`` wrote, by way of JSON."""
        grid = kept["traits"]["grid"]
        traits = PageTraits(**kept["traits"] | {"grid": None if grid is None else tuple(grid)})
        return cls(**kept | {"box": tuple(kept["box"]), "traits": traits})


@dataclass(frozen=True)
class PageIndex:
    """The pages of a cohort, record by record.

    Args:
        paths: [records] page files, None where a record has no page.
        facts: [records], None where a record has no page.
        skipped: Pages that could not be used, or were refused, and were left out with their records.
    """

    paths: tuple[Path | None, ...]
    facts: tuple[PageFacts | None, ...]
    skipped: tuple[Issue, ...] = ()

    @property
    def paged(self) -> NDArray[np.bool_]:
        """[records] whether a record has a page."""
        return np.array([facts is not None for facts in self.facts], bool)

    @property
    def pixel_hashes(self) -> list[str | None]:
        """[records] of the decoded pixels, None without a page."""
        return [None if facts is None else facts.pixel_hash for facts in self.facts]

    @property
    def perceptual_hashes(self) -> NDArray[np.uint8]:
        """[records, bytes] uint8; zeros, which are like nothing, without a page."""
        known = [None if facts is None else facts.likeness for facts in self.facts]
        width = next((len(each) for each in known if each is not None), 0)
        return np.array([np.zeros(width, np.uint8) if each is None else each for each in known], np.uint8)

    @property
    def remarks(self) -> list[tuple[str, ...]]:
        """[records] what the reader of a score has to know of a page that was used, as in an answer for one patient."""
        return [() if facts is None else page_remarks(facts.doubt, facts.pictures) for facts in self.facts]

    def notes(self, record_ids: Iterable[str]) -> list[str]:
        """Pages that the gate refused, or that were used with a remark: how many, and which, a sentence for each kind.

        Args:
            record_ids: [records] their names.
        """
        named = [
            (str(record), facts) for record, facts in zip(record_ids, self.facts, strict=True) if facts is not None
        ]
        kinds = {
            "do not look like an ECG and were left out with their records (`--no-gate` keeps them)": [
                issue.where for issue in self.skipped if issue.code == "not_an_ecg"
            ],
            "do not look like an ECG and were kept (`pages.gate` is off)": [
                f"{record!r} ({facts.doubt})" for record, facts in named if facts.doubt is not None
            ],
            "come from files with several pictures (pages or frames), of which the first was read": [
                repr(record) for record, facts in named if facts.pictures > 1
            ],
        }
        return [f"{len(found)} page(s) {words}: {_shortened(found)}" for words, found in kinds.items() if found]

    def page(self, row: int) -> tuple[Path, PageFacts]:
        """File and facts of the page of a record.

        Raises:
            ValueError: The record has none.
        """
        path, facts = self.paths[row], self.facts[row]
        if path is None or facts is None:
            message = f"record {row} has no page"
            raise ValueError(message)
        return path, facts

    def of(self, rows: Iterable[int]) -> PageIndex:
        """The pages of some records."""
        chosen = list(rows)
        return PageIndex(tuple(self.paths[row] for row in chosen), tuple(self.facts[row] for row in chosen))


def index_pages(cohort: Cohort, context: RunContext) -> tuple[Cohort, PageIndex]:
    """Read every page once and note what tells pages apart; find all that cannot be used.

    Args:
        cohort: With pages; a record may have none.
        context: Its settings tell the view, the limits, and whether bad pages are skipped; its store takes the
            encoder's inputs of pages that had to be read.

    Returns:
        The cohort (without the records of bad pages where these are skipped, and of pages that the gate refuses) and
        the facts of its pages. Such a record is left out whole, even if it has clinical values: it is not what the
            table says.

    Raises:
        PageError: All pages that cannot be read, unless they are to be skipped; or no page is left.
    """
    config, cache, progress = context.config.pages, context.cache, context.progress
    paths = [Path(path) if isinstance(path, str) else None for path in cohort.table["ecg"]]
    names = {path: f"{path.parent.name}/{path.name}" for path in paths if path is not None}
    under = f"{judgement(config)} traits={METADATA_VERSION}"
    known: dict[Path, PageFacts | PageError] = {}
    progress.start("reading pages", len(names), unit="images")
    with ThreadPoolExecutor(available_threads()) as pool:
        unread: list[Path] = []
        for path, digest in zip(names, in_order(pool, _digest, names), strict=True):
            found = None if digest is None else cache.facts(digest, under)
            if found is None:
                unread.append(path)
            else:
                known[path] = PageFacts.restore(found)
                progress.advance()

        def look(path: Path) -> PageFacts | PageError:
            return _look(path, names[path], context)

        with context.paced("reading pages", len(unread)):
            for path, facts in zip(unread, in_order(pool, look, unread), strict=True):
                known[path] = facts
                if isinstance(facts, PageFacts):
                    cache.keep_facts(facts.file_sha256, under, dataclasses.asdict(facts))
                progress.advance()
    return _without_bad(cohort, paths, _judged(known, names, config), config)


def read_view(path: Path, facts: PageFacts, config: PagesConfig) -> NDArray[np.uint8]:
    """The view of a page that was surveyed, [h, w, 3] RGB.

    Raises:
        PageError: The file has changed since, or cannot be read any more.
    """
    page = read_page(path, name=path.name, max_pixels=config.max_pixels)
    if page.file_sha256 != facts.file_sha256:
        rule = "pages stay as they are while a run reads them"
        issue = Issue(f"page {path.name}", "", "another file than before", rule, "run the command again", "changed")
        message = "A page changed while it was read."
        raise PageError(message, [issue])
    return crop(page.pixels, Box(*facts.box))


def data_hash(cohort: Cohort, page_index: PageIndex | None) -> str:
    """SHA-256 (hex) over all that the cohort's table and pages say; where the files lie does not matter."""
    digest = hashlib.sha256(cohort.table.drop(columns="ecg").to_csv(index=False).encode("utf-8", "surrogateescape"))
    for facts in page_index.facts if page_index is not None else ():
        digest.update(b"no page" if facts is None else facts.file_sha256.encode())
    return digest.hexdigest()


def _digest(path: Path) -> str | None:
    try:
        with open_regular(path) as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return None  # the reader says what is wrong with it


def _look(path: Path, name: str, context: RunContext) -> PageFacts | PageError:
    config = context.config.pages
    try:
        page = prepare_page(path, name=name, config=config)
    except PageError as error:
        return error
    box = (page.box.left, page.box.top, page.box.right, page.box.bottom)
    traits = page_traits(page.page, page.box if config.view == "grid" else None)
    likeness, pictures = page.perceptual_hash.tobytes().hex(), page.page.pictures
    facts = PageFacts(page.file_sha256, page.pixel_hash, likeness, box, traits, page.doubt, pictures)
    context.inputs.keep(facts.view, lambda: page.input)
    return facts


def _without_bad(
    cohort: Cohort,
    paths: list[Path | None],
    known: dict[Path, PageFacts | PageError | Issue],
    config: PagesConfig,
) -> tuple[Cohort, PageIndex]:
    everything = [None if path is None else known[path] for path in paths]
    issues = tuple(
        page_issue(issue, record, cohort.origins.get(record))
        for found, record in zip(everything, cohort.record_ids, strict=True)
        for issue in _issues(found)
    )
    unreadable = sum(isinstance(found, PageError) for found in everything)
    if unreadable and not config.skip_bad:
        message = (
            f"the pages of {unreadable} of {len(paths)} records cannot be used; replace them, or go on without these "
            "records by --skip-bad-pages"
        )
        raise PageError(message, [issue for issue in issues if issue.code != "not_an_ecg"])
    good = [
        (row, paths[row], found)
        for row, found in enumerate(everything)
        if found is None or isinstance(found, PageFacts)
    ]
    if not any(found is not None for _, _, found in good):
        message = "No page of the cohort can be used."
        raise PageError(message, issues)
    rows, kept, facts = zip(*good, strict=True)
    table = cohort.table.iloc[list(rows)].reset_index(drop=True)
    unread = None if cohort.unread is None else cohort.unread.iloc[list(rows)].reset_index(drop=True)
    return dataclasses.replace(cohort, table=table, unread=unread), PageIndex(kept, facts, issues)


def in_order(pool: ThreadPoolExecutor, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Results in the order of ``items``, a few ahead of the reader, so that memory stays bounded."""
    waiting: deque[Future[_Result]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > 2 * available_threads():
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _judged(
    known: dict[Path, PageFacts | PageError], names: dict[Path, str], config: PagesConfig
) -> dict[Path, PageFacts | PageError | Issue]:
    """The facts of pages, and the refusal in the place of those that the gate refuses."""
    judged: dict[Path, PageFacts | PageError | Issue] = {}
    for path, found in known.items():
        doubt = found.doubt if isinstance(found, PageFacts) else None
        judged[path] = refusal(doubt, name=names[path], gate=config.gate) or found
    return judged


def _shortened(names: Sequence[str], most: int = 10) -> str:
    return "; ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _issues(found: PageFacts | PageError | Issue | None) -> Sequence[Issue]:
    if isinstance(found, PageError):
        return found.issues
    return [found] if isinstance(found, Issue) else []
