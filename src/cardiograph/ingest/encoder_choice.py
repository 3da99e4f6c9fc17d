"""Which encoder a run uses: its weights, engine and precision, and why."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

from cardiograph.encoders.engine import EncoderFacts, Engine, find_device, make_engine, probe, supports_bf16
from cardiograph.encoders.precision import check_precision
from cardiograph.encoders.weights import load_weights
from cardiograph.errors import EngineError
from cardiograph.features.fusion import MIN_FEATURE_STD
from cardiograph.imaging.prepare import preparation
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.page_index import PageIndex
from cardiograph.registry import encoder_spec

CHECK_PAGES = 128
"""About how many different training pages bfloat16 is held against float32 on."""


TOO_COARSE = "to a network with random weights all pages look alike, and bfloat16 does not tell them apart"
"""Measured on the shared and on synthetic pages: an error of 0.6 to 1.3 of a feature's spread, where 0.05 is allowed."""


@dataclass(frozen=True)
class Encoder:
    """The encoder of a run.

    Args:
        engine: Ready to run.
        facts: What decides its numbers.
        why: Why this precision.
    """

    engine: Engine
    facts: EncoderFacts
    why: str

    @cached_property
    def probe(self) -> tuple[float, ...]:
        """Its embedding of one fixed input, for the bundles of all networks on it."""
        return tuple(float(value) for value in probe(self.engine))


def choose_encoder(training: PageIndex, context: RunContext) -> Encoder:
    """The encoder that the configuration asks for; bfloat16 only where it proves equal on training pages.

    A workshop chooses once for each encoder and view: a study keeps what the training pages of its first split decided.

    Args:
        training: Pages of labelled training records, for the check.
        context: Settings, cache and progress.

    Raises:
        WeightsError: The weights cannot be had.
        EngineError: bfloat16 was asked for and is not supported here or not exact enough.
    """
    key = f"{context.config.fingerprint('encoder', 'graph')} {preparation(context.config.pages)}"
    if key not in context.encoders:
        context.encoders[key] = _make(training, context)
    chosen: Encoder = context.encoders[key]
    return chosen


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
        prepared = preparation(config.pages)
        about = EncoderFacts(weights.sha256, weights.source, runner, precision, prepared, readout, device, name)
        engine = make_engine(
            weights, runner, precision, cache=folder, readout=readout, device=device, architecture=name
        )
        return Encoder(engine, about, why)

    wanted = config.encoder.precision
    if wanted == "f32":
        return encoder("f32", "asked for")
    if config.encoder.engine == "torch":
        if wanted == "bf16":
            return encoder("bf16", "asked for")  # which is refused there, with the way out
        return encoder("f32", "the torch engine runs f32 only")
    if wanted == "auto" and not supports_bf16():
        return encoder("f32", "this processor has no bfloat16 arithmetic")
    if wanted == "auto" and config.encoder.weights == "random":
        return encoder("f32", TOO_COARSE)
    exact, coarse = encoder("f32", ""), encoder("bf16", "")
    different = list({pixels: row for row, pixels in enumerate(training.pixel_hashes) if pixels is not None}.values())
    sample = training.of(different[:: max(1, -(-len(different) // CHECK_PAGES))])
    both = [
        embed_pages(
            sample, each.engine, each.facts.fingerprint, context, stage=f"checking {each.facts.precision}"
        ).values
        for each in (exact, coarse)
    ]
    check = check_precision(*both, k=config.graph.k, dead=MIN_FEATURE_STD)
    if check.allowed:
        return dataclasses.replace(coarse, why=str(check))
    if wanted == "bf16":
        message = f"precision bf16: {check}; use precision f32 or auto"
        raise EngineError(message)
    return dataclasses.replace(exact, why=str(check))
