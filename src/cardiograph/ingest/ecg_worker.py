"""Reads, measures and embeds many ECG files: in threads of this process, or by workers that hold their own encoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.object_storage import local_copy, require_visible
from cardiograph.ecg.packed import pack, unpack
from cardiograph.ecg.pages import LEADS_VERSION, read_leads_again
from cardiograph.encoders.engine import EncoderFacts, Engine, load_engine
from cardiograph.encoders.leads_input import leads_input
from cardiograph.errors import PageError
from cardiograph.features.measurements import measurement_vector
from cardiograph.imaging.prepare import to_input
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.page_facts import PageFacts, ReadFile, read_file, read_view, require_same_file
from cardiograph.threads import available_threads
from cardiograph.workers import Workers, current_workers
from cardiograph.workers.in_order import in_order

FILES_IN_TASK = 16
"""Maximum number of files in one task of a worker: 0.2 s of work for recordings, some seconds for photographs."""

Vector = NDArray[np.float32]
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class UnreadFile:
    """A file that no one has read yet.

    Args:
        path: File.
        name: Name of its page in error messages.
        packed: Its leads, packed, if they were digitised before.
    """

    path: Path
    name: str
    packed: bytes | None


@dataclass(frozen=True)
class IndexedFile:
    """What reading a file gave.

    Args:
        path: File.
        found: Facts about its page, or the error why it cannot be used.
        packed: Its leads, packed, if they were digitised now.
        versions: Names and versions of the objects that were read; empty for a file that is no object.
        embedding: Its embedding, if it was computed at once.
    """

    path: Path
    found: PageFacts | PageError
    packed: bytes | None = None
    versions: dict[str, str] = field(default_factory=dict)
    embedding: Vector | None = None


@dataclass(frozen=True)
class KnownFile:
    """A file that was read before.

    Args:
        key: Key of its vector in the cache.
        path: File.
        facts: Facts about its page.
        packed: Its leads, packed, if they were digitised before.
    """

    key: str
    path: Path
    facts: PageFacts
    packed: bytes | None


class EcgWorker:
    """What a worker holds: the settings of the run, and its encoder.

    Args:
        config: Settings.
        encoder: Facts of the encoder, and the files from which :func:`load_engine` makes it; None if none is needed.
    """

    def __init__(self, config: RunConfig, encoder: tuple[EncoderFacts, dict[str, bytes]] | None) -> None:
        self._config = config
        self._reads = "page" if encoder is None else encoder[0].reads
        self._engine = None if encoder is None else load_engine(encoder[1], encoder[0], own=True)

    def index(self, files: list[UnreadFile]) -> list[IndexedFile]:
        """Read each file, and embed it."""
        return [self._index(file) for file in files]

    def _index(self, file: UnreadFile) -> IndexedFile:
        require_visible(file.path)
        indexed, read = _index_file(file, self._config)
        if read is None or self._engine is None:
            return indexed
        if self._reads == "page":
            return dataclasses.replace(indexed, embedding=self._embedding(read.page_input()))
        return indexed if read.leads is None else dataclasses.replace(indexed, embedding=self._of_leads(read.leads))

    def embed(self, files: list[KnownFile]) -> list[tuple[KnownFile, Vector | None, bytes | None]]:
        """Return the embedding of each file, None without readable leads, and leads that were digitised for it."""
        return [self._embed(file) for file in files]

    def _embed(self, file: KnownFile) -> tuple[KnownFile, Vector | None, bytes | None]:
        require_visible(file.path)
        if self._reads == "page":
            return file, self._embedding(to_input(read_view(file.path, file.facts, self._config.pages))), None
        leads, packed = known_leads(file, self._config)
        return file, None if leads is None else self._of_leads(leads), packed

    def measure(self, files: list[KnownFile]) -> list[tuple[KnownFile, Vector | None, bytes | None]]:
        """Return the measurements of each file, all NaN without readable leads, and leads that were digitised for it."""
        return [self._measure(file) for file in files]

    def _measure(self, file: KnownFile) -> tuple[KnownFile, Vector | None, bytes | None]:
        require_visible(file.path)
        leads, packed = known_leads(file, self._config)
        return file, measurement_vector(leads).astype(np.float32), packed

    def _of_leads(self, leads: Ecg) -> Vector:
        return self._embedding(leads_input(leads))

    def _embedding(self, encoder_input: Vector) -> Vector:
        if self._engine is None:
            message = "this worker has no encoder"
            raise ValueError(message)
        (embedding,) = self._engine.run([encoder_input])
        return embedding


def _index_file(file: UnreadFile, config: RunConfig) -> tuple[IndexedFile, ReadFile | None]:
    """Read a file; None if it cannot be used."""
    with local_copy(file.path) as copy:
        try:
            read = read_file(copy.path, file.name, config, file.packed)
        except PageError as error:
            return IndexedFile(file.path, error), None
    return IndexedFile(file.path, read.facts, read.packed, copy.versions), read


def known_leads(file: KnownFile, config: RunConfig) -> tuple[Ecg | None, bytes | None]:
    """Return the leads of a file, None if they cannot be read, and these packed if they had to be digitised.

    Raises:
        PageError: If the file has changed since it was indexed, or can no longer be read.
    """
    if file.packed is not None:
        return unpack(file.packed), None
    file_sha256, leads, was_digitised = read_leads_again(file.path, config.pages)
    require_same_file(file.path, file.facts, file_sha256)
    return leads, pack(leads) if was_digitised else None


def read_files(files: Iterable[UnreadFile], count: int, context: RunContext) -> Iterator[IndexedFile]:
    """Read files and yield what was found, in any order.

    In threads of this process, ``context.inputs`` receives the encoder inputs. Workers embed each file at once if the
    encoder is known, and the cache receives the embedding.

    Args:
        files: Files.
        count: Their number.
        context: Settings, cache, inputs, and the encoder if it is known.
    """
    workers = current_workers()
    if workers is None or not count:

        def read(file: UnreadFile) -> IndexedFile:
            indexed, found = _index_file(file, context.config)
            if found is not None:
                _keep_input(found, context)
            return indexed

        with ThreadPoolExecutor(available_threads()) as pool:
            yield from in_order(pool, read, files)
        return
    encoder = context.known_encoder
    for results in workers.map(_start(context, encoder), EcgWorker.index, _tasks(files, count, workers)):
        for indexed in results:
            facts, embedding = indexed.found, indexed.embedding
            if encoder is not None and embedding is not None and isinstance(facts, PageFacts):
                context.cache.keep_embedding(encoder[1].fingerprint, encoder_key(facts, encoder[1]), embedding)
            yield indexed


def encoder_key(facts: PageFacts, encoder: EncoderFacts) -> str:
    """Return the key of an ECG's embedding in the cache: equal for ECGs that the encoder sees as the same."""
    return facts.leads_key if encoder.reads == "leads" else facts.pixel_hash


def _keep_input(found: ReadFile, context: RunContext) -> None:
    """Keep the encoder input of a file that was read; digitised leads are in the cache instead."""
    facts, leads = found.facts, found.leads
    if context.config.needs != "leads":
        context.inputs.keep(facts.view, found.page_input)
    elif facts.leads_sha256 and leads is not None:
        context.inputs.keep(facts.leads_sha256, lambda: leads_input(leads))


def vectors_by_workers(
    workers: Workers,
    work: Callable[[EcgWorker, list[KnownFile]], list[tuple[KnownFile, Vector | None, bytes | None]]],
    files: Iterable[KnownFile],
    count: int,
    context: RunContext,
    encoder: tuple[Engine, EncoderFacts] | None = None,
) -> Iterator[tuple[str, Vector | None]]:
    """Yield key and vector of each file as workers compute them.

    Args:
        workers: Workers.
        work: Method of :class:`EcgWorker`.
        files: Files.
        count: Their number.
        context: Settings, and the cache, which receives leads that were digitised.
        encoder: Encoder that the workers need.
    """
    for results in workers.map(_start(context, encoder), work, _tasks(files, count, workers)):
        for file, vector, packed in results:
            if packed is not None:
                context.cache.keep_leads(file.facts.file_sha256, LEADS_VERSION, packed)
            yield file.key, vector


def _start(context: RunContext, encoder: tuple[Engine, EncoderFacts] | None) -> Callable[[], EcgWorker]:
    carried = None if encoder is None else (encoder[1], encoder[0].contents())
    return partial(EcgWorker, context.config, carried)


def _tasks(files: Iterable[_Item], count: int, workers: Workers) -> Iterator[list[_Item]]:
    """Yield lists of files, short ones where there are few files, so that every worker has some."""
    size = max(1, min(FILES_IN_TASK, count // (4 * workers.count())))
    waiting = iter(files)
    while some := list(islice(waiting, size)):
        yield some
