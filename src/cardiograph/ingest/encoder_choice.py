"""Choose the encoder of a run: its weights, engine, readout and precision."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

from cardiograph.config import EncoderConfig
from cardiograph.encoders.engine import EncoderFacts, Engine, find_device, make_engine, probe, supports_bf16
from cardiograph.encoders.precision import check_precision
from cardiograph.encoders.preparation import encoder_preparation
from cardiograph.encoders.weights import load_weights
from cardiograph.errors import EngineError
from cardiograph.features.fusion import MIN_FEATURE_STD
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.page_index import PageIndex
from cardiograph.registry import encoder_spec
from cardiograph.workers import current_workers

CHECK_PAGES = 128
"""Approximate number of distinct training pages on which bfloat16 is compared with float32."""

TOO_COARSE = "a network with random weights gives all pages similar embeddings, and bfloat16 cannot distinguish them"
"""Measured on real and synthetic pages: an error of 0.6 to 1.3 of a feature's spread, where 0.05 is allowed."""


@dataclass(frozen=True)
class Encoder:
    """The encoder of a run.

    Args:
        engine: Engine that runs it.
        facts: Settings and checksums that determine its embeddings.
        why: Reason for its precision.
    """

    engine: Engine
    facts: EncoderFacts
    why: str

    @cached_property
    def probe(self) -> tuple[float, ...]:
        """Embedding of one fixed input; every bundle of the run stores it."""
        return tuple(float(value) for value in probe(self.engine))


def choose_encoder(training: PageIndex, context: RunContext) -> Encoder:
    """Make the configured encoder, in bfloat16 only if its embeddings of training pages match those in float32.

    The context keeps the encoder, so that all splits of a study use the precision that its first split determined.

    Args:
        training: Index of the pages of labelled training records, for the comparison of precisions.
        context: Settings, cache and progress.

    Raises:
        WeightsError: If the weights are not available.
        EngineError: If bfloat16 is required but not supported by the processor or not exact enough.
    """
    reads = encoder_spec(context.config.encoder.name).reads
    key = f"{context.config.fingerprint('encoder', 'graph')} {encoder_preparation(reads, context.config.pages)}"
    if key not in context.encoders:
        context.encoders[key] = _make(training, context)
    chosen: Encoder = context.encoders[key]
    return chosen


def with_known_encoder(context: RunContext) -> RunContext:
    """Return the context with the configured encoder, so that workers embed each file as soon as they have read it.

    It is returned as it is without workers, and where the encoder depends on the cohort: where it is fine-tuned, or its
    precision is chosen on training pages.
    """
    config = context.config.encoder
    if current_workers() is None or config.finetune or not _without_comparison(config):
        return context
    encoder = choose_encoder(PageIndex((), ()), context)
    return dataclasses.replace(context, known_encoder=(encoder.engine, encoder.facts))


def _make(training: PageIndex, context: RunContext) -> Encoder:
    config, folder = context.config, context.cache.folder
    weights = load_weights(
        config.encoder.weights, seed=config.encoder.seed, cache=folder, architecture=config.encoder.name
    )

    readout = config.encoder.readout
    if readout == "auto":
        random = config.encoder.weights == "random" and not encoder_spec(config.encoder.name).trained
        readout = "texture" if random else "final"

    device = find_device(config.encoder.engine)

    def encoder(precision: str, why: str) -> Encoder:
        name, runner = config.encoder.name, config.encoder.engine
        reads = encoder_spec(name).reads
        prepared = encoder_preparation(reads, config.pages)
        facts = EncoderFacts(weights.sha256, weights.source, runner, precision, prepared, readout, device, name, reads)
        engine = make_engine(
            weights, runner, precision, cache=folder, readout=readout, device=device, architecture=name
        )
        return Encoder(engine, facts, why)

    requested = config.encoder.precision
    why = _without_comparison(config.encoder)
    if why:
        return encoder("f32", why)
    if config.encoder.engine == "torch":
        return encoder("bf16", "requested")  # raises the error that says what to do
    exact, coarse = encoder("f32", ""), encoder("bf16", "")
    different = list({pixels: row for row, pixels in enumerate(training.pixel_hashes) if pixels is not None}.values())
    sample = training.of(different[:: max(1, -(-len(different) // CHECK_PAGES))])
    both = [
        embed_pages(
            sample,
            each.engine,
            each.facts,
            context,
            stage=f"checking {each.facts.precision}",
        ).values
        for each in (exact, coarse)
    ]
    check = check_precision(*both, k=config.graph.k, min_std=MIN_FEATURE_STD)
    if check.allowed:
        return dataclasses.replace(coarse, why=str(check))
    if requested == "bf16":
        message = f"precision bf16: {check}; use precision f32 or auto"
        raise EngineError(message)
    return dataclasses.replace(exact, why=str(check))


def _without_comparison(config: EncoderConfig) -> str:
    """Return why an encoder runs in float32 without a comparison of precisions; empty if they are compared."""
    if config.precision == "f32":
        return "requested"
    if config.precision == "bf16":
        return ""
    if config.engine == "torch":
        return "the torch engine runs f32 only"
    if encoder_spec(config.name).reads == "leads":
        return "an encoder of leads is fast enough in float32"
    if not supports_bf16():
        return "this processor has no bfloat16 arithmetic"
    return TOO_COARSE if config.weights == "random" else ""
