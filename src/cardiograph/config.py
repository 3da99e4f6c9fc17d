"""Configuration of a run: frozen sections with validated settings, read from TOML and written back in full."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, overload

import tomli_w
from pydantic import AfterValidator, Field, ValidationError, model_validator

from cardiograph.config_outcome import UNNAMED_OUTCOME, OutcomeConfig, require_follow_up_unread
from cardiograph.config_reading import CohortConfig, PagesConfig, Section
from cardiograph.errors import ConfigError
from cardiograph.registry import encoder_spec, require_encoder, require_model
from cardiograph.regular_files import read_regular

EncoderName = Annotated[str, AfterValidator(require_encoder)]
"""Encoder name that :func:`cardiograph.registry.encoder_spec` accepts."""


class SplitConfig(Section):
    """Shares of labelled records in each part; groups of related records are never divided."""

    train: float = Field(0.64, gt=0, lt=1, description="Share of training records.")
    val: float = Field(0.16, gt=0, lt=1, description="Share of validation records.")
    test: float = Field(0.20, gt=0, lt=1, description="Share of test records.")

    @model_validator(mode="after")
    def _sum(self) -> Self:
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            message = f"split shares are {self.train:g} + {self.val:g} + {self.test:g}; they must add up to 1"
            raise ValueError(message)
        return self


class BalanceConfig(Section):
    """Handling of class imbalance, in training records only; the ranges are those of the reference pipeline."""

    mode: Literal["none", "weights", "augment"] = Field(
        "none", description="No balancing, class weights in the loss, or augmented copies of minority pages."
    )
    rotation_degrees: float = Field(10, ge=0, le=45, description="Maximum rotation in degrees, in either direction.")
    shift: float = Field(
        0.10, ge=0, lt=0.5, description="Maximum horizontal and vertical shift, as a fraction of the page side."
    )
    zoom: float = Field(0.10, ge=0, lt=0.9, description="Maximum zoom in or out, as a fraction.")
    flip: bool = Field(False, description="Allow horizontal flips; they reverse time, so the default is false.")


class ClinicalConfig(Section):
    """Simulation of clinical values for a cohort that has none."""

    simulate: Literal["none", "blind", "label"] = Field(
        "none",
        description="Simulate the five default variables blind to the label, or from it (only to check the simulator).",
    )


SHIPPED = "shipped"
"""Setting of ``encoder.weights`` for an encoder that comes with trained weights."""


class EncoderConfig(Section):
    """The encoder that turns an ECG into an embedding: of its leads (ecg), or of the picture of its page."""

    name: EncoderName = Field(
        "ecg",
        description="Encoder: ecg (leads), resnet18-ecg, resnet18 or resnet50 (pictures), an installed entry point, or your "
        "own as module:factory. By default ecg, or resnet18 if weights are given.",
    )
    weights: str = Field(
        SHIPPED,
        description="'shipped' (ecg, resnet18-ecg and custom encoders), 'imagenet' or 'random' (resnet18 and resnet50), or "
        "the path of a weights file (encoders of pictures).",
    )
    engine: Literal["openvino", "torch"] = Field("openvino", description="Inference engine that runs the encoder.")
    precision: Literal["auto", "f32", "bf16"] = Field(
        "auto", description="Floating-point precision; auto uses bf16 only if embeddings stay equivalent to f32."
    )
    readout: Literal["auto", "final", "texture"] = Field(
        "auto", description="Mean of the last layer (final) or moments of the first stages (texture; random weights)."
    )
    seed: int = Field(0, ge=0, description="Random seed of weights = 'random'.")
    finetune: bool = Field(
        False, description="Adapt the last layers of the encoder ecg to the outcome of the training records."
    )

    @model_validator(mode="before")
    @classmethod
    def _default_name(cls, content: Any) -> Any:  # noqa: ANN401 - raw input; the fields check it
        """Choose the encoder of pictures if only its weights are given, and ImageNet weights if only a ResNet is."""
        if not isinstance(content, dict):
            return content
        if "name" not in content and content.get("weights", SHIPPED) != SHIPPED:
            return {**content, "name": "resnet18"}
        return content

    @model_validator(mode="after")
    def _weights_of_encoder(self) -> Self:
        spec = encoder_spec(self.name)
        if not spec.trained and self.weights == SHIPPED:
            object.__setattr__(self, "weights", "imagenet")
        if self.finetune and self.name != "ecg":
            message = f"encoder.finetune adapts the encoder ecg, not {self.name}; leave it out, or choose --encoder ecg"
            raise ValueError(message)
        if spec.reads == "leads" and self.weights != SHIPPED:
            message = (
                f"encoder.weights is {self.weights!r}, but the encoder {self.name} comes with its own weights; leave out "
                "weights, or choose --encoder resnet18"
            )
            raise ValueError(message)
        return self


class FusionConfig(Section):
    """Block weights: a block's share of the total feature variance is its weight over the sum of weights."""

    image: float = Field(1.0, ge=0, description="Weight of the image block; 0 excludes it.")
    clinical: float = Field(1.0, ge=0, description="Weight of the clinical block; 0 excludes it.")
    measurements: float = Field(
        0.0,
        ge=0,
        description="Weight of the block of ECG measurements (intervals, axes, amplitudes); above 0, pages are digitised.",
    )
    readings: float = Field(
        0.0,
        ge=0,
        description="Weight of the readings of the shipped ECG encoder (statements, intervals, axis), which join the image "
        "block; above 0 with image at 0, they take the place of its 512 values.",
    )
    image_components: int = Field(
        0, ge=0, description="Principal components of the image block, at most n/5; 0 keeps the original features."
    )
    unlabelled: bool = Field(
        False, description="Also fit means, standard deviations and principal components on unlabelled records."
    )


class GraphConfig(Section):
    """The neighbour graph: number of neighbours, metric and feature space."""

    k: int = Field(5, ge=1, le=100, description="Number of neighbours of each record.")
    metric: Literal["euclidean", "cosine"] = Field("euclidean", description="Distance metric of the neighbour search.")
    space: Literal["fused", "image", "clinical", "learnt"] = Field(
        "fused",
        description="Features of the neighbour search: all, one block, or weighted by their effect on risk (learnt).",
    )
    exact_up_to: int = Field(
        50_000,
        ge=1,
        description="Maximum reference records of a shard for exact search; above, inverted lists are used.",
    )
    shards: int = Field(
        1, ge=1, le=1000, description="Parts of the reference records that are indexed and searched separately."
    )


ModelName = Annotated[str, AfterValidator(require_model)]
"""A key of :data:`cardiograph.registry.MODELS`."""


class ModelConfig(Section):
    """The model, its baselines and their training."""

    name: ModelName = Field("sign", description="Model that the run keeps and the service uses.")
    baselines: tuple[ModelName, ...] = Field(
        ("gcn", "mlp", "logistic", "knn_vote"), description="Models trained on the same features for comparison."
    )
    width: int = Field(128, ge=1, description="Hidden units per layer, divided among the members of sign.")
    depth: int = Field(2, ge=1, le=6, description="Graph convolutions; for sign, hops over which it aggregates.")
    heads: int = Field(4, ge=1, description="Attention heads of gat; width must be a multiple.")
    members: int = Field(8, ge=1, description="Ensemble members of sign; width must be a multiple.")
    dropout: float = Field(0.5, ge=0, lt=1, description="Dropout rate after each hidden layer except the last.")
    modality_dropout: float = Field(
        0.1, ge=0, lt=1, description="Share of training records that lose one of their blocks in each epoch."
    )
    votes: bool = Field(False, description="Use the labels of neighbours, never the record's own, as an input.")
    batch: int = Field(2048, ge=16, description="Batch size of sign, and of other networks on large graphs.")
    full_batch_up_to: int = Field(
        200_000, ge=0, description="Maximum training records for full-batch training of networks other than sign."
    )
    learning_rate: float = Field(1e-3, gt=0, description="Adam learning rate.")
    weight_decay: float = Field(5e-4, ge=0, description="Adam weight decay.")
    epochs: int = Field(300, ge=1, description="Maximum number of epochs.")
    patience: int = Field(40, ge=1, description="Epochs without a lower validation loss before training stops.")

    @model_validator(mode="after")
    def _heads(self) -> Self:
        if self.width % self.heads:
            message = f"model.width {self.width} is not a multiple of model.heads {self.heads}"
            raise ValueError(message)
        if self.width % self.members:
            message = f"model.width {self.width} is not a multiple of model.members {self.members}"
            raise ValueError(message)
        return self


MAX_RESAMPLED, FEWEST_RESAMPLES = 20_000_000, 200
"""Records of all bootstrap resamples together at most, and number of resamples at least."""


class EvaluationConfig(Section):
    """Calibration, decision threshold, uncertainty and confidence intervals."""

    bootstrap: int = Field(
        1000,
        ge=100,
        description="Bootstrap resamples of groups for each confidence interval; fewer, but at least 200, above 20,000 "
        "records.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence level of the intervals.")
    calibration: Literal["auto", "none", "temperature", "vector", "platt", "isotonic", "venn_abers"] = Field(
        "venn_abers",
        description="Probability calibration, fitted on validation records; only venn_abers gives intervals, and auto "
        "chooses by log loss. Several classes use none, temperature or vector, and any other kind means auto; for two "
        "classes vector means platt.",
    )
    conformal: float = Field(0.90, gt=0.5, lt=1, description="Target coverage of the conformal sets in each class.")
    novelty: float = Field(
        0.99, gt=0.5, lt=1, description="Share of training records that the novelty gate accepts as familiar."
    )
    threshold_rule: Literal["youden", "sensitivity", "net_benefit"] = Field(
        "youden", description="Rule that chooses the decision threshold on validation records."
    )
    sensitivity: float = Field(0.90, gt=0, lt=1, description="Minimum sensitivity for threshold_rule = 'sensitivity'.")
    net_benefit_at: float = Field(
        0.20, gt=0, lt=1, description="Risk at which you would act, for threshold_rule = 'net_benefit'."
    )

    def for_records(self, count: int) -> Self:
        """Return the settings with as many resamples as so many records need: their intervals are narrow in any case."""
        fewer = max(FEWEST_RESAMPLES, MAX_RESAMPLED // max(count, 1))
        return self.model_copy(update={"bootstrap": min(self.bootstrap, fewer)})


class AuditConfig(Section):
    """Handling of the findings of the cohort audit, the first step of a run."""

    accept: tuple[str, ...] = Field(
        (), description="Codes of blocking findings that do not stop the run; the report lists them at the top."
    )


class BundleConfig(Section):
    """What the bundle of a run stores besides what its predictions need."""

    ecgs: Literal["none", "traces"] = Field(
        "none",
        description="ECGs of the training records: none, or traces (2.5 s of each lead), which the service shows; an ECG "
        "can identify a person.",
    )


class RunConfig(Section):
    """All settings of a run."""

    outcome: OutcomeConfig = OutcomeConfig()
    seed: int = Field(42, ge=0, description="Random seed of split, simulation, augmentation, training and bootstrap.")
    cohort: CohortConfig = CohortConfig()
    audit: AuditConfig = AuditConfig()
    pages: PagesConfig = PagesConfig()
    split: SplitConfig = SplitConfig()
    balance: BalanceConfig = BalanceConfig()
    clinical: ClinicalConfig = ClinicalConfig()
    encoder: EncoderConfig = EncoderConfig()
    fusion: FusionConfig = FusionConfig()
    graph: GraphConfig = GraphConfig()
    model: ModelConfig = ModelConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    bundle: BundleConfig = BundleConfig()

    @model_validator(mode="before")
    @classmethod
    def _default_outcome(cls, content: Any) -> Any:  # noqa: ANN401 - raw input; the fields check it
        """Name the outcome after the positive classes if it has no name."""
        if not isinstance(content, dict):
            return content
        content = _outcome_section(content)
        outcome, cohort = content.get("outcome", {}), content.get("cohort", {})
        if not isinstance(outcome, dict) or outcome.get("name", UNNAMED_OUTCOME) != UNNAMED_OUTCOME:
            return content
        positive = cohort.get("positive", ()) if isinstance(cohort, dict) else getattr(cohort, "positive", ())
        named = isinstance(positive, list | tuple) and positive and all(isinstance(name, str) for name in positive)
        return {**content, "outcome": {**outcome, "name": " or ".join(positive)}} if named else content

    @model_validator(mode="after")
    def _readings_of_encoder(self) -> Self:
        if self.fusion.readings > 0 and (self.encoder.name != "ecg" or self.encoder.finetune):
            used = "fine-tuning" if self.encoder.finetune else f"the encoder {self.encoder.name}"
            message = (
                f"fusion.readings is {self.fusion.readings:g}, but only the encoder ecg with its shipped weights has "
                f"readings, and this run uses {used}; set fusion.readings to 0, or use --encoder ecg without fine-tuning"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _kind_of_outcome(self) -> Self:
        if self.outcome.kind in ("multiclass", "multilabel") and self.cohort.positive:
            message = (
                f"outcome.kind is {self.outcome.kind!r}, but cohort.positive ({', '.join(self.cohort.positive)}) joins "
                "classes to label 1 of a binary outcome; remove one of the two"
            )
            raise ValueError(message)
        if self.outcome.kind == "survival":
            require_follow_up_unread(self.cohort, self.outcome)
        return self

    @property
    def needs(self) -> Literal["page", "leads", "both"]:
        """What the model reads of an ECG; see :data:`cardiograph.ecg.pages.Needs`."""
        reads = encoder_spec(self.encoder.name).reads
        return "both" if reads == "page" and self.fusion.measurements > 0 else reads

    def fingerprint(self, *sections: str) -> str:
        """Return the SHA-256 (hex) of the given sections, or of the whole configuration."""
        content = self.model_dump(mode="json", include=set(sections) or None)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def to_toml(self) -> str:
        """Return the whole configuration as TOML, defaults included."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


_Kind = TypeVar("_Kind", bound=RunConfig)


@overload
def load_config(path: str | Path | None = None, overrides: dict[str, Any] | None = None) -> RunConfig: ...


@overload
def load_config(
    path: str | Path | None, overrides: dict[str, Any] | None, *, kind: type[_Kind], base: dict[str, Any]
) -> _Kind: ...


def load_config(
    path: str | Path | None = None,
    overrides: dict[str, Any] | None = None,
    *,
    kind: type[RunConfig] = RunConfig,
    base: dict[str, Any] | None = None,
) -> RunConfig:
    """Read a configuration file and apply overrides.

    Args:
        path: TOML file; None for the defaults.
        overrides: Settings that replace those of the file, nested by section, such as ``{"model": {"name": "gat"}}``.
        kind: Configuration class; a study may add sections.
        base: Settings that the file replaces, nested like ``overrides``.

    Raises:
        ConfigError: If the file is missing or not TOML, a key is unknown, or a value is not allowed.
    """
    content = _outcome_section(dict(base or {}))
    if path is not None:
        try:
            content = _laid_over(content, _outcome_section(tomllib.loads(read_regular(Path(path)).decode())))
        except OSError as error:
            message = f"config {path}: cannot be read ({error.strerror}); `cardiograph config` writes a TOML file"
            raise ConfigError(message) from error
        except (ValueError, RecursionError) as error:
            message = f"config {path}: not valid TOML ({error}); `cardiograph config` writes a valid one"
            raise ConfigError(message) from error
    try:
        return kind.model_validate(_laid_over(content, _outcome_section(overrides or {})))
    except ValidationError as error:
        raise ConfigError(_explain(error, path)) from error


def _laid_over(content: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merge two configurations section by section; keys of ``above`` replace keys of ``content``."""
    merged = dict(content)
    for key, value in above.items():
        below = merged.get(key)
        merged[key] = {**below, **value} if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _outcome_section(content: dict[str, Any]) -> dict[str, Any]:
    """Return settings in which the outcome is a section; before it had kinds, it was a name at the top of the file."""
    named = isinstance(content.get("outcome"), str)
    return {**content, "outcome": {"name": content["outcome"]}} if named else content


def _explain(error: ValidationError, path: str | Path | None) -> str:
    lines = [f"{path or 'settings'}: {error.error_count()} setting(s) cannot be used"]
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"]) or "(config)"
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {key}: no such setting; `cardiograph config` lists them all")
        else:
            lines.append(f"  {key} is {fault['input']!r}: {fault['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)
