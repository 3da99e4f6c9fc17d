"""RunConfig: everything that decides a run, in small frozen sections; read from TOML, written back whole."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, overload

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cardiograph.errors import ConfigError
from cardiograph.registry import require_encoder, require_model
from cardiograph.regular_files import read_regular
from cardiograph.schema import ClinicalVariable

EncoderName = Annotated[str, AfterValidator(require_encoder)]
"""A name of :func:`cardiograph.registry.encoder_spec`."""


class Section(BaseModel):
    """A part of the configuration: frozen, and closed to names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class VariableConfig(Section):
    """A clinical variable beyond the five, or one of the five with other limits."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Column name, lower case.")
    title: str = Field("", description="Name for people; the column name by default.")
    unit: str = Field("", description="Unit as printed.")
    low: float = Field(description="Smallest value allowed.")
    high: float = Field(description="Largest value allowed.")
    transform: Literal["identity", "log"] = Field("identity", description="Applied before scaling.")
    whole: bool = Field(False, description="Only whole numbers.")
    categories: tuple[str, ...] = Field(
        (),
        description="Words instead of numbers, in their order: ['female|f', 'male|m']; low and high are then left out.",
    )

    @model_validator(mode="before")
    @classmethod
    def _range_of_categories(cls, content: object) -> object:
        if isinstance(content, dict) and content.get("categories"):
            return {"low": 0, "high": len(content["categories"]) - 1, "whole": True, **content}
        return content

    @model_validator(mode="after")
    def _categories(self) -> Self:
        if not self.categories:
            return self
        spellings = [text.strip().casefold() for each in self.categories for text in each.split("|")]
        if len(self.categories) < 2 or "" in spellings or len(set(spellings)) < len(spellings):
            message = f"variable {self.name!r}: give two categories or more, each with words of its own"
            raise ValueError(message)
        if (self.low, self.high, self.whole, self.transform) != (0, len(self.categories) - 1, True, "identity"):
            message = f"variable {self.name!r}: categories go without low, high, whole, transform"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            message = f"variable {self.name!r}: low {self.low:g} is not below high {self.high:g}"
            raise ValueError(message)
        if self.transform == "log" and self.low <= 0:
            message = f"variable {self.name!r}: a log transform needs low > 0"
            raise ValueError(message)
        return self

    def variable(self) -> ClinicalVariable:
        """The variable as the stages know it."""
        return ClinicalVariable(**{**self.model_dump(), "title": self.title or self.name})


class CohortConfig(Section):
    """How the table or folder is read."""

    map: dict[str, str] = Field(
        default_factory=dict, description="Our name -> the table's column, e.g. ntprobnp = 'NTproBNP'."
    )
    convert: dict[str, str] = Field(
        default_factory=dict, description="Variable -> unit it is written in, e.g. ef = 'percent'."
    )
    missing: tuple[str, ...] = Field(
        (), description="Values that mean 'not measured': 'sbp=999' in one column, '999' in all; empty cells always do."
    )
    decimal: Literal["auto", ".", ","] = Field(
        "auto", description="Decimal mark of a text table; auto takes a comma where nothing speaks against it."
    )
    positive: tuple[str, ...] = Field(
        (), description="Classes that are label 1, for a folder per class or a text label; 'a,b' can name two."
    )
    variables: tuple[VariableConfig, ...] = Field(
        (), description="Clinical variables beyond the five, or other limits for one."
    )
    modality: Literal["auto", "image", "clinical"] = Field(
        "auto", description="Use what the cohort has, or only one block of it."
    )
    label_definition: tuple[str, ...] = Field(
        (), description="Columns by which the label was defined, e.g. 'ef'; the audit blocks a model that reads them."
    )


class PagesConfig(Section):
    """How pages are read and which part of them is used."""

    view: Literal["grid", "whole", "box"] = Field(
        "grid", description="Find the trace area, take the whole page, or a fixed box."
    )
    box: tuple[int, int, int, int] | None = Field(
        None, description="left, top, right, bottom in pixels, for view = 'box'."
    )
    skip_bad: bool = Field(False, description="Go on without pages that cannot be used; the report lists them.")
    max_pixels: int = Field(100_000_000, gt=0, description="Larger pages are refused before they are decoded.")
    gate: bool = Field(
        True,
        description="Leave out, or refuse to score, a page that does not look like an upright ECG; else keep it and warn.",
    )
    near_copies: bool = Field(
        True, description="Group pages that are near-copies of each other, not only equal pixels."
    )

    @model_validator(mode="after")
    def _box(self) -> Self:
        if (self.view == "box") != (self.box is not None):
            message = "pages.box belongs to view = 'box', and view = 'box' needs it"
            raise ValueError(message)
        if self.box is not None:
            left, top, right, bottom = self.box
            if min(self.box) < 0 or right - left < 100 or bottom - top < 100:
                message = f"pages.box is {self.box}; left, top, right, bottom in pixels, at least 100 x 100"
                raise ValueError(message)
        return self


class SplitConfig(Section):
    """Shares of the records, in whole groups."""

    train: float = Field(0.64, gt=0, lt=1, description="Share of training records.")
    val: float = Field(0.16, gt=0, lt=1, description="Share of validation records.")
    test: float = Field(0.20, gt=0, lt=1, description="Share of test records.")

    @model_validator(mode="after")
    def _sum(self) -> Self:
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            message = f"split shares are {self.train:g} + {self.val:g} + {self.test:g}; they add up to 1"
            raise ValueError(message)
        return self


class BalanceConfig(Section):
    """What is done about a minority class, in training rows only. Ranges as in the reference pipeline."""

    mode: Literal["none", "weights", "augment"] = Field(
        "none", description="Nothing, class weights, or augmented copies."
    )
    rotation_degrees: float = Field(10, ge=0, le=45, description="Rotation, plus or minus.")
    shift: float = Field(
        0.10, ge=0, lt=0.5, description="Horizontal and vertical shift, share of the side, plus or minus."
    )
    zoom: float = Field(0.10, ge=0, lt=0.9, description="Zoom, plus or minus.")
    flip: bool = Field(False, description="Horizontal flip, which reverses time: off unless asked for.")


class ClinicalConfig(Section):
    """Where clinical values come from when the table has none."""

    simulate: Literal["none", "blind", "label"] = Field(
        "none",
        description="Draw the five values: blind to the label, or from it (a simulator check, never performance).",
    )


class EncoderConfig(Section):
    """How a page becomes an embedding."""

    name: EncoderName = Field(
        "resnet18", description="resnet18, resnet50, the name of an entry point, or module:factory of your own."
    )

    weights: str = Field(
        "imagenet", description="'imagenet', 'random', or a weights file; your own encoder brings its own."
    )
    engine: Literal["openvino", "torch"] = Field("openvino", description="What runs the encoder.")
    precision: Literal["auto", "f32", "bf16"] = Field(
        "auto", description="auto takes bf16 only where it changes nothing that matters."
    )
    readout: Literal["auto", "final", "texture"] = Field(
        "auto",
        description="The mean of the last layer, or moments of the first three stages; auto takes these for random weights.",
    )
    seed: int = Field(0, ge=0, description="Of random weights.")


class FusionConfig(Section):
    """Weight of each block: its share of the total variance is weight / sum of weights."""

    image: float = Field(1.0, ge=0, description="Weight of the image block.")
    clinical: float = Field(1.0, ge=0, description="Weight of the clinical block.")
    image_components: int = Field(
        0, ge=0, description="Principal components that the image block is reduced to, at most n/5; 0 keeps all values."
    )
    unlabelled: bool = Field(
        False, description="Whether unlabelled training records, too, teach mean, spread and principal components."
    )


class GraphConfig(Section):
    """Who hears whom."""

    k: int = Field(5, ge=1, le=100, description="Neighbours of each record.")
    metric: Literal["euclidean", "cosine"] = Field("euclidean", description="Distance in that space.")
    space: Literal["fused", "image", "clinical", "learnt"] = Field(
        "fused",
        description="Where neighbours are sought: all features, a block, or what moves the risk (cross-fitted).",
    )
    exact_up_to: int = Field(
        50_000, ge=1, description="Reference records up to which neighbours are exact; above, by inverted lists."
    )


ModelName = Annotated[str, AfterValidator(require_model)]
"""A key of :data:`cardiograph.registry.MODELS`."""


class ModelConfig(Section):
    """The model and its training."""

    name: ModelName = Field("sign", description="Model that is kept and served.")
    baselines: tuple[ModelName, ...] = Field(
        ("gcn", "mlp", "logistic", "knn_vote"), description="Models trained on the same features for comparison."
    )
    width: int = Field(
        128, ge=1, description="Hidden units per layer; sign has them in each member divided by members."
    )
    depth: int = Field(2, ge=1, le=6, description="Convolutions; sign hears neighbours over as many hops.")
    heads: int = Field(4, ge=1, description="Attention heads of gat; width is divided among them.")
    members: int = Field(
        8, ge=1, description="Networks of sign whose logits are averaged; width is divided among them."
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="After each hidden layer but the last.")
    modality_dropout: float = Field(
        0.1, ge=0, lt=1, description="Share of training records that hide a block in each epoch, where there are two."
    )
    votes: bool = Field(
        False, description="Whether the labels of the neighbours are an input; a record's own never is."
    )
    batch: int = Field(2048, ge=16, description="Records in a step of sign, and of other networks on a large graph.")
    full_batch_up_to: int = Field(
        200_000,
        ge=0,
        description="Training records up to which networks other than sign take the whole graph in a step.",
    )
    learning_rate: float = Field(1e-3, gt=0, description="Of Adam.")
    weight_decay: float = Field(5e-4, ge=0, description="Of Adam.")
    epochs: int = Field(300, ge=1, description="At most.")
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


class EvaluationConfig(Section):
    """How the numbers are made."""

    bootstrap: int = Field(1000, ge=100, description="Resamples of groups for each interval.")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of the intervals.")
    calibration: Literal["auto", "none", "temperature", "platt", "isotonic", "venn_abers"] = Field(
        "venn_abers",
        description="How scores become probabilities, learnt on validation records; only venn_abers gives intervals, "
        "auto chooses by log loss.",
    )
    conformal: float = Field(0.90, gt=0.5, lt=1, description="Coverage of the conformal sets in each class.")
    novelty: float = Field(
        0.99, gt=0.5, lt=1, description="Share of training records within the limit of the novelty gate."
    )
    threshold_rule: Literal["youden", "sensitivity", "net_benefit"] = Field(
        "youden", description="How validation records choose the threshold."
    )
    sensitivity: float = Field(0.90, gt=0, lt=1, description="For threshold_rule = 'sensitivity': at least this.")
    net_benefit_at: float = Field(
        0.20, gt=0, lt=1, description="For threshold_rule = 'net_benefit': the risk at which you would act."
    )


class AuditConfig(Section):
    """What is done about the findings of the audit that a run makes first."""

    accept: tuple[str, ...] = Field(
        (), description="Codes of blocking findings to go on with; they stand at the top of the report."
    )


UNNAMED_OUTCOME = "positive class"
"""What label 1 is called where nobody named it."""


class RunConfig(Section):
    """All that decides a run."""

    outcome: str = Field(
        UNNAMED_OUTCOME,
        description="What label 1 is called in every text; by default the classes of cohort.positive.",
    )
    seed: int = Field(42, ge=0, description="Of split, simulation, augmentation, training and bootstrap.")
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

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_classes(cls, content: Any) -> Any:  # noqa: ANN401 - whatever was given; the fields check it
        """Without an outcome of its own, label 1 is called what the classes are called that it stands for."""
        if not isinstance(content, dict) or content.get("outcome", UNNAMED_OUTCOME) != UNNAMED_OUTCOME:
            return content
        cohort = content.get("cohort", {})
        positive = cohort.get("positive", ()) if isinstance(cohort, dict) else getattr(cohort, "positive", ())
        named = isinstance(positive, list | tuple) and positive and all(isinstance(name, str) for name in positive)
        return {**content, "outcome": " or ".join(positive)} if named else content

    def fingerprint(self, *sections: str) -> str:
        """SHA-256 (hex) of the named sections, or of everything: equal settings, equal fingerprint."""
        content = self.model_dump(mode="json", include=set(sections) or None)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def to_toml(self) -> str:
        """The whole configuration as TOML, defaults included."""
        import tomli_w

        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


_Kind = TypeVar("_Kind", bound=RunConfig)


@overload
def load_config(path: Path | None = None, overrides: dict[str, Any] | None = None) -> RunConfig: ...


@overload
def load_config(
    path: Path | None, overrides: dict[str, Any] | None, *, kind: type[_Kind], base: dict[str, Any]
) -> _Kind: ...


def load_config(
    path: Path | None = None,
    overrides: dict[str, Any] | None = None,
    *,
    kind: type[RunConfig] = RunConfig,
    base: dict[str, Any] | None = None,
) -> RunConfig:
    """Read a configuration and lay ``overrides`` (nested by section) over it.

    Args:
        path: TOML file; the defaults if None.
        overrides: ``{"model": {"name": "gat"}}``.
        kind: The class of the configuration: a study may have sections of its own.
        base: Lies below the file, nested like ``overrides``.

    Raises:
        ConfigError: The file is missing or not TOML, a key is unknown, a value is not allowed.
    """
    content = dict(base or {})
    if path is not None:
        try:
            content = _laid_over(content, tomllib.loads(read_regular(path).decode()))
        except OSError as error:
            message = (
                f"config {path}: cannot be read ({error.strerror}); give a TOML file, `cardiograph config` writes one"
            )
            raise ConfigError(message) from error
        except (ValueError, RecursionError) as error:
            message = f"config {path}: not TOML ({error}); `cardiograph config` writes a valid one"
            raise ConfigError(message) from error
    try:
        return kind.model_validate(_laid_over(content, overrides or {}))
    except ValidationError as error:
        raise ConfigError(_explain(error, path)) from error


def _laid_over(content: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """One level deep: sections are merged, what else is there is replaced."""
    merged = dict(content)
    for key, value in above.items():
        below = merged.get(key)
        merged[key] = {**below, **value} if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _explain(error: ValidationError, path: Path | None) -> str:
    lines = [f"{path or 'settings'}: {error.error_count()} setting(s) cannot be used"]
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"]) or "(config)"
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {key}: no such setting; `cardiograph config` lists them all")
        else:
            lines.append(f"  {key} is {fault['input']!r}: {fault['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def commented_toml(config: RunConfig) -> str:
    """Every setting of ``config`` with its meaning; a key without a value stands commented out."""
    lines = ["# Settings of a cardiograph run; what is left out has its default.", ""]
    sections = {}
    for key, about in type(config).model_fields.items():
        value = getattr(config, key)
        if isinstance(value, BaseModel):
            sections[key] = value
        else:
            lines += [f"# {about.description}", tomli_w.dumps({key: value}).rstrip()]
    for name, section in sections.items():
        lines += ["", *(f"# {line}" for line in (type(section).__doc__ or "").strip().splitlines()), f"[{name}]"]
        tables = []
        for key, about in type(section).model_fields.items():
            value = section.model_dump(mode="json")[key]
            comment = f"# {about.description}"
            if value is None or value in ({}, []):
                example = "..." if value is None else str(value)
                lines += [comment, f"# {key} = {example}"]
            elif isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
                tables += [comment, tomli_w.dumps({name: {key: value}}).replace(f"[{name}]\n", "", 1).rstrip()]
            else:
                lines += [comment, tomli_w.dumps({key: value}).rstrip()]
        lines += tables
    return "\n".join(lines) + "\n"
