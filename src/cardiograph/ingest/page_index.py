"""Index of the pages of a cohort: hashes, view, metadata and warnings of each page.

:func:`index_pages` reads every page once. Later steps use the index instead of the files, except :func:`read_view`,
which reads the view of a page again for an encoder.
"""

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
from cardiograph.config_reading import PagesConfig
from cardiograph.containers import Cohort
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.packed import pack, unpack
from cardiograph.ecg.pages import LEADS_VERSION, file_sha256, paper_margins, prepare_ecg, read_any_page
from cardiograph.encoders.leads_input import leads_input
from cardiograph.errors import Issue, PageError
from cardiograph.imaging.grid import Box, crop
from cardiograph.imaging.page_metadata import METADATA_VERSION, PageMetadata, extract_metadata
from cardiograph.imaging.prepare import GATE_CODES, Doubt, is_refusal, judgement, page_remarks, refusal
from cardiograph.ingest.context import RunContext, View
from cardiograph.threads import available_threads

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


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
class PageIndex:
    """Index of the pages of a cohort, in the order of its records.

    Args:
        paths: [records] page files; None if a record has no page.
        facts: [records] facts about the pages; None if a record has no page.
        skipped: Issues of pages that could not be used or were refused; their records are left out.
    """

    paths: tuple[Path | None, ...]
    facts: tuple[PageFacts | None, ...]
    skipped: tuple[Issue, ...] = ()

    @property
    def paged(self) -> NDArray[np.bool_]:
        """[records] bool: whether a record has a page."""
        return np.array([facts is not None for facts in self.facts], bool)

    @property
    def pixel_hashes(self) -> list[str | None]:
        """[records] SHA-256 (hex) of the decoded pixels; None without a page."""
        return [None if facts is None else facts.pixel_hash for facts in self.facts]

    @property
    def perceptual_hashes(self) -> NDArray[np.uint8]:
        """[records, 1536 or 3072] uint8 perceptual hashes; zeros, which are no near-copy of any, without a page."""
        known = [None if facts is None else facts.hash_values for facts in self.facts]
        width = next((len(each) for each in known if each is not None), 0)
        return np.array([np.zeros(width, np.uint8) if each is None else each for each in known], np.uint8)

    @property
    def remarks(self) -> list[tuple[str, ...]]:
        """[records] warnings about each page that was used, as in a prediction for one patient."""
        return [() if facts is None else page_remarks(facts.doubt, facts.pictures, facts.notes) for facts in self.facts]

    def notes(self, record_ids: Iterable[str]) -> list[str]:
        """Summarise the pages that the ECG check refused and those used with a warning, one sentence for each kind.

        Args:
            record_ids: [records] record ids.
        """
        named = [
            (str(record), facts) for record, facts in zip(record_ids, self.facts, strict=True) if facts is not None
        ]
        kinds = {}
        for words, codes in GATE_CODES.items():
            kinds[f"{words} and were left out with their records (`--no-gate` keeps them)"] = [
                issue.where for issue in self.skipped if issue.code in codes
            ]
            kinds[f"{words} and were kept (`pages.gate` is off)"] = [
                f"{record!r} ({facts.doubt.reason})"
                for record, facts in named
                if facts.doubt is not None and facts.doubt.code in codes
            ]
        kinds["come from files with several images (pages or frames); the first was used"] = [
            repr(record) for record, facts in named if facts.pictures > 1
        ]
        for note in dict.fromkeys(note for _, facts in named for note in facts.notes):
            kinds[f"were read with the note {note!r}"] = [
                repr(record) for record, facts in named if note in facts.notes
            ]
        return [f"{len(found)} page(s) {words}: {_shortened(found)}" for words, found in kinds.items() if found]

    def page(self, row: int) -> tuple[Path, PageFacts]:
        """Return the file of a record's page and the facts about it.

        Args:
            row: Row of the record.

        Raises:
            ValueError: If the record has no page.
        """
        path, facts = self.paths[row], self.facts[row]
        if path is None or facts is None:
            message = f"record {row} has no page"
            raise ValueError(message)
        return path, facts

    def of(self, rows: Iterable[int]) -> PageIndex:
        """Return the index of some records, without skipped pages."""
        chosen = list(rows)
        return PageIndex(tuple(self.paths[row] for row in chosen), tuple(self.facts[row] for row in chosen))


def index_pages(cohort: Cohort, context: RunContext) -> tuple[Cohort, PageIndex]:
    """Read every page of a cohort once and collect the facts about it.

    Args:
        cohort: Cohort with a page for each record, or for some of them.
        context: Run context. Its settings contain the view, the limits, and whether unusable pages are skipped; its
            ``inputs`` receive the encoder inputs of the pages that had to be read.

    Returns:
        The cohort and the index of its pages, without the records of pages that the ECG check refuses and, if these are
        skipped, of unusable pages. Such a record is left out even if it has clinical values, because its page is not
        what the table states.

    Raises:
        PageError: If pages cannot be read and are not to be skipped, with one issue for each; or if no page is left.
    """
    config, cache, progress = context.config.pages, context.cache, context.progress
    needs = context.config.needs
    paths = [Path(path) if isinstance(path, str) else None for path in cohort.table["ecg"]]
    names = {path: f"{path.parent.name}/{path.name}" for path in paths if path is not None}
    under = f"{judgement(config)} metadata={METADATA_VERSION}"
    under += "" if needs == "page" else f" {needs} leads={LEADS_VERSION} hashes=2"
    under += " hash=leads" if needs == "leads" else ""
    known: dict[Path, PageFacts | PageError] = {}
    progress.start("reading pages", len(names), unit="images")
    with ThreadPoolExecutor(available_threads()) as pool:
        unread: dict[Path, str] = {}
        for path, digest in zip(names, in_order(pool, _file_sha256, names), strict=True):
            found = None if digest is None else cache.facts(digest, under)
            if found is None:
                unread[path] = digest or ""
            else:
                known[path] = PageFacts.restore(found)
                progress.advance()

        def collect(item: tuple[Path, bytes | None]) -> tuple[PageFacts | PageError, bytes | None]:
            path, packed = item
            return _collect_facts(path, names[path], context, unpack(packed) if packed else None)

        kept = (
            (path, None if needs == "page" else cache.leads(digest, LEADS_VERSION)) for path, digest in unread.items()
        )
        with context.paced("reading pages", len(unread)):
            for path, (facts, packed) in zip(unread, in_order(pool, collect, kept), strict=True):
                known[path] = facts
                if isinstance(facts, PageFacts):
                    require_same_file(path, facts, unread[path] or facts.file_sha256)
                    if packed is not None:
                        cache.keep_leads(facts.file_sha256, LEADS_VERSION, packed)
                    cache.keep_facts(facts.file_sha256, under, dataclasses.asdict(facts))
                progress.advance()
    return _without_unusable(cohort, paths, _with_refusals(known, names, config), config)


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


def data_hash(cohort: Cohort, page_index: PageIndex | None) -> str:
    """Return the SHA-256 (hex) of the cohort's table and page files; the paths of the files do not matter."""
    digest = hashlib.sha256(cohort.table.drop(columns="ecg").to_csv(index=False).encode("utf-8", "surrogateescape"))
    for facts in page_index.facts if page_index is not None else ():
        digest.update(b"no page" if facts is None else facts.file_sha256.encode())
    return digest.hexdigest()


def _file_sha256(path: Path) -> str | None:
    """Return the SHA-256 (hex) of a file, or None if it cannot be read; the reader then raises the error."""
    try:
        return file_sha256(path)
    except OSError:
        return None


def _collect_facts(
    path: Path, name: str, context: RunContext, digitised_before: Ecg | None
) -> tuple[PageFacts | PageError, bytes | None]:
    """Return the facts about a page, and its packed leads if they were digitised."""
    config, needs = context.config.pages, context.config.needs
    try:
        file = prepare_ecg(path, name=name, config=config, needs=needs, digitised_before=digitised_before, draw=False)
    except PageError as error:
        return error, None
    page = file.page
    box = (page.box.left, page.box.top, page.box.right, page.box.bottom)
    if page.page.drawn:
        metadata = extract_metadata(page.page, *paper_margins())
    else:
        metadata = extract_metadata(page.page, page.box if config.view == "grid" else None)
    perceptual_hash, pictures, notes = page.perceptual_hash.tobytes().hex(), page.page.pictures, page.page.notes
    recorded = file.leads.content_hash() if file.leads is not None and page.page.drawn else ""
    facts = PageFacts(
        page.file_sha256, page.pixel_hash, perceptual_hash, box, metadata, page.doubt, pictures, notes, recorded
    )
    if needs != "leads":
        context.inputs.keep(facts.view, lambda: page.input)
    elif recorded and file.leads is not None:
        leads = file.leads
        context.inputs.keep(recorded, lambda: leads_input(leads))
    return facts, None if needs == "page" or page.page.drawn or digitised_before else pack(file.leads)


def _without_unusable(
    cohort: Cohort,
    paths: list[Path | None],
    known: dict[Path, PageFacts | PageError | Issue],
    config: PagesConfig,
) -> tuple[Cohort, PageIndex]:
    """Drop the records of refused pages and, if allowed, of unreadable ones; build the index of the others."""
    everything = [None if path is None else known[path] for path in paths]
    issues = tuple(
        page_issue(issue, record, cohort.origins.get(record))
        for found, record in zip(everything, cohort.record_ids, strict=True)
        for issue in _issues(found)
    )
    unreadable = sum(isinstance(found, PageError) for found in everything)
    if unreadable and not config.skip_bad:
        message = (
            f"the pages of {unreadable} of {len(paths)} records cannot be used; replace them, or leave out these "
            "records with --skip-bad-pages"
        )
        raise PageError(message, [issue for issue in issues if not is_refusal(issue)])
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
    """Yield results in the order of ``items``; works only a few items ahead, which bounds the memory."""
    waiting: deque[Future[_Result]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > 2 * available_threads():
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _with_refusals(
    known: dict[Path, PageFacts | PageError], names: dict[Path, str], config: PagesConfig
) -> dict[Path, PageFacts | PageError | Issue]:
    """Replace the facts of each page that the ECG check refuses by an issue."""
    pages: dict[Path, PageFacts | PageError | Issue] = {}
    for path, found in known.items():
        doubt = found.doubt if isinstance(found, PageFacts) else None
        pages[path] = refusal(doubt, name=names[path], gate=config.gate) or found
    return pages


def _shortened(names: Sequence[str], limit: int = 10) -> str:
    return "; ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _issues(found: PageFacts | PageError | Issue | None) -> Sequence[Issue]:
    if isinstance(found, PageError):
        return found.issues
    return [found] if isinstance(found, Issue) else []
