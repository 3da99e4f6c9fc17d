"""A served model in one folder with checksums: network, fusion, scaler, reference records and encoder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors.numpy import save as save_arrays
from safetensors.torch import load, save

from cardiograph.artifacts import files
from cardiograph.artifacts.checked import NAME, CheckedFiles, OpenFile, sealed
from cardiograph.artifacts.maps import MapVerdict
from cardiograph.artifacts.reference import Reference
from cardiograph.artifacts.shard_folders import ShardFacts, shard_facts
from cardiograph.config import GraphConfig, ModelConfig
from cardiograph.config_reading import PagesConfig
from cardiograph.containers import NodeFeatures, SearchPoints
from cardiograph.ecg.pages import Needs
from cardiograph.encoders.engine import EncoderFacts, Engine
from cardiograph.errors import RunError
from cardiograph.features.fusion import Fusion
from cardiograph.features.scaler import ClinicalScaler
from cardiograph.graph.search_space import SearchSpace
from cardiograph.models.build import Model, build
from cardiograph.registry import Reads
from cardiograph.schema import ClinicalVariable
from cardiograph.survival.hazards import FollowUpFacts
from cardiograph.uncertainty.uncertainty import Uncertainty

SCHEMA = 4
"""Version of the file format."""

DAMAGE = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
"""Exceptions raised if the parts of a bundle have unexpected content or do not fit together."""


@dataclass(frozen=True)
class BundleFacts:
    """Settings and metadata of a model that its predictions need.

    Args:
        model: Name and sizes of the network.
        graph: Number of neighbours, metric and space.
        pages: Settings for reading pages.
        outcome: Meaning of label 1, or of what several classes describe.
        provenance: One sentence on the data behind a score.
        clinical_provenance: Provenance of each variable.
        threshold: Threshold chosen on validation records; None for an extended run that was not recalibrated, and for
            several classes.
        encoder: Facts about the encoder; None without pages.
        probe: [width] embedding of a fixed input, to detect another engine; empty without pages.
        prior: Prior share of label 1 in votes; None for the share in the reference records.
        maps: Verdict on attention maps; None if they were not checked.
        reproduces: Names of faults that were reproduced on purpose; every prediction of such a model names them.
        measured: Versions by which ECGs are measured; empty without ECG measurements.
        classes: Names of labels 0, 1, 2, ... of several classes; empty for a binary outcome.
        follow_up: Time scale of a time-to-event outcome; None for the other kinds.
    """

    model: ModelConfig
    graph: GraphConfig
    pages: PagesConfig
    outcome: str
    provenance: str
    clinical_provenance: tuple[str, ...]
    threshold: float | None
    encoder: EncoderFacts | None
    probe: tuple[float, ...] = ()
    prior: float | None = None
    maps: MapVerdict | None = None
    reproduces: tuple[str, ...] = ()
    measured: str = ""
    classes: tuple[str, ...] = ()
    follow_up: FollowUpFacts | None = None

    @property
    def class_count(self) -> int:
        """Number of different labels."""
        return len(self.classes) or 2

    @property
    def outputs(self) -> int:
        """Number of outputs of the network: one for each label, or for each interval of follow-up."""
        return self.class_count if self.follow_up is None else len(self.follow_up.edges) - 1

    @property
    def void(self) -> bool:
        """Whether the run was extended and not recalibrated, so that calibration and threshold do not hold."""
        return self.threshold is None and not self.classes and self.follow_up is None

    @property
    def reads(self) -> Reads:
        """What the encoder reads of an ECG; ``page`` without one."""
        return "page" if self.encoder is None else self.encoder.reads

    @property
    def needs(self) -> Needs:
        """What the model reads of an ECG."""
        return "both" if self.reads == "page" and self.measured else self.reads

    @property
    def embedding_width(self) -> int:
        """Number of values of an embedding; 0 without pages."""
        return len(self.probe)


@dataclass(frozen=True)
class ModelBundle:
    """Everything that is needed to score a patient.

    Args:
        served: Settings and metadata.
        network: Trained model in evaluation mode.
        fusion: Fusion fitted on training rows.
        scaler: Scaler fitted on training rows; None without clinical variables.
        space: Space in which neighbours are searched.
        reference: Reference records, the possible neighbours of a query.
        uncertainty: Calibration, intervals, sets and novelty gates; None if nothing was fitted.
        mean_page: [width, 14, 14] float32 shares of the cells of a mean training page in each value of its embedding,
            see :mod:`cardiograph.explain.saliency`; None if maps were not checked.
        sha256: SHA-256 (hex) of the ``bundle.json`` that was read; empty for a bundle made in memory.
        open_files: Files that were read, see :meth:`require_unchanged`.
        measurement_scaler: Scaler of ECG measurements, fitted on training rows; None without them.
        refits: The same network refitted on resampled training groups; empty but for a time-to-event outcome.
        shards: Shards that hold the reference records, and then ``reference`` is empty; None for a model that has them.
    """

    served: BundleFacts
    network: Model
    fusion: Fusion
    scaler: ClinicalScaler | None
    space: SearchSpace
    reference: Reference
    uncertainty: Uncertainty | None = None
    mean_page: NDArray[np.float32] | None = None
    sha256: str = ""
    open_files: tuple[OpenFile, ...] = ()
    measurement_scaler: ClinicalScaler | None = None
    refits: tuple[Model, ...] = ()
    shards: ShardFacts | None = None

    @property
    def scalers(self) -> dict[str, ClinicalScaler]:
        """Scaler of each block of variables that the model has: ``clinical``, ``measurements``."""
        both = {"clinical": self.scaler, "measurements": self.measurement_scaler}
        return {block: scaler for block, scaler in both.items() if scaler is not None}

    def fuse(
        self,
        image: NDArray[np.float32] | None,
        clinical: NDArray[np.float64],
        measurements: NDArray[np.float64] | None,
    ) -> NodeFeatures:
        """Return the node features of records.

        Args:
            image: [records, width] embeddings, NaN without one; None for a model without ECGs.
            clinical: [records, variables] values in the model's variables and their units, NaN where missing.
            measurements: [records, measurements] in the model's measurements, NaN where missing, or None.
        """
        own, measured = self.scaler, self.measurement_scaler
        return self.fusion.transform(
            image,
            None if own is None else own.transform(clinical),
            None if measured is None or measurements is None else measured.transform(measurements),
        )

    def reference_points(self) -> SearchPoints:
        """Return the reference records as points in the search space, with their index if they have one."""
        reference, (names, blocks) = self.reference, self.fusion.layout
        placed = self.space.transform(NodeFeatures(reference.features, names, blocks, reference.present))
        values = placed.values if reference.places is None else reference.places
        return replace(placed, values=values, lists=reference.lists)

    def require_unchanged(self) -> None:
        """Raise RunError if a file was changed in place since it was read, because the results would be undefined."""
        for file in self.open_files:
            if file.changed:
                message = (
                    f"{file.path}: was changed while the model was in use; restore the bundle or make it again, then "
                    "start the command again"
                )
                raise RunError(message)

    def search_blocks(self, present: NDArray[np.bool_]) -> str:
        """Return the blocks by which the neighbours of a record are searched, such as ``image`` or ``image+clinical``.

        Args:
            present: [blocks of the space] whether the record has the block.
        """
        blocks = [name for name, used in zip(self.fusion.layout[1], self.space.used, strict=True) if used]
        return "+".join(name for name, has in zip(blocks, present, strict=True) if has)

    def save(self, folder: Path, engine: Engine | None, *, ecgs: Iterable[NDArray[np.int16]] | None = None) -> None:
        """Write the bundle; ``bundle.json`` with the SHA-256 of every file is written last.

        Args:
            folder: Folder to write to.
            engine: Engine of the encoder, whose files are written too; None without pages.
            ecgs: As for :meth:`Reference.write`.
        """
        (folder / NAME).unlink(missing_ok=True)
        written = ["model.safetensors", "fusion.safetensors", "space.safetensors"]
        tensors = {name: tensor.contiguous() for name, tensor in self.network.state_dict().items()}
        files.write_bytes(folder / "model.safetensors", save(tensors))
        files.write_arrays(folder / "fusion.safetensors", self.fusion.arrays())
        files.write_arrays(folder / "space.safetensors", self.space.arrays())
        written += self.reference.write(folder, ecgs)
        if self.refits:
            files.write_bytes(folder / _REFITS, save(_stacked(self.refits)))
            written.append(_REFITS)
        for name, content in ({} if engine is None else engine.contents()).items():
            files.write_bytes(folder / name, content)
            written.append(name)
        facts = self._facts() | self._write_renewable(folder)
        facts["sha256"] = {**{name: files.sha256_of(folder / name) for name in written}, **facts["sha256"]}
        _write_facts(folder, facts)

    def save_renewed(self, folder: Path) -> None:
        """Write threshold, uncertainty and the verdict on maps into a saved bundle whose other files stay unchanged.

        The new files have new names, and ``bundle.json`` is replaced last, so that a killed write leaves either the old
        or the new bundle.
        """
        before = CheckedFiles(folder).facts
        fixed = {name: digest for name, digest in before["sha256"].items() if not name.startswith(_RENEWABLE)}
        recalibrated = self._write_renewable(folder)
        _write_facts(folder, before | recalibrated | {"sha256": {**fixed, **recalibrated["sha256"]}})

    def _facts(self) -> dict[str, Any]:
        """Return the part of ``bundle.json`` that never changes."""
        served = self.served
        return {
            "schema": SCHEMA,
            "model": served.model.model_dump(mode="json"),
            "graph": served.graph.model_dump(mode="json"),
            "pages": served.pages.model_dump(mode="json"),
            "outcome": served.outcome,
            "classes": list(served.classes),
            "provenance": served.provenance,
            "clinical_provenance": list(served.clinical_provenance),
            "encoder": None if served.encoder is None else asdict(served.encoder),
            "probe": list(served.probe),
            "prior": served.prior,
            "reproduces": list(served.reproduces),
            "measured": served.measured,
            "fusion": self.fusion.recorded(),
            "scaler": None if self.scaler is None else self.scaler.to_dict(),
            "measurement_scaler": None if self.measurement_scaler is None else self.measurement_scaler.to_dict(),
            **self.reference.facts(),
            **({} if served.follow_up is None else {"follow_up": asdict(served.follow_up), "refits": len(self.refits)}),
            **({} if self.shards is None else {"shards": asdict(self.shards)}),
        }

    def _write_renewable(self, folder: Path) -> dict[str, Any]:
        """Write calibration and map check, which can be renewed later; returns their part of ``bundle.json``."""
        maps, digests = self.served.maps, dict[str, str]()
        names: dict[str, str | None] = {"uncertainty": None, "mean_page": None}
        if self.uncertainty is not None:
            content = files.json_bytes(self.uncertainty.to_dict())
            names["uncertainty"] = _write_named(folder, "uncertainty.{}.json", content, digests)
        if self.mean_page is not None:
            content = save_arrays({"mean": self.mean_page})
            names["mean_page"] = _write_named(folder, "maps.{}.safetensors", content, digests)
        verdict = None if maps is None else maps.as_dict()
        return {"threshold": self.served.threshold, "maps": verdict, **names, "sha256": digests}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read and check a bundle.

        Raises:
            RunError: If a file is missing, differs from its checksum, or has another schema.
        """
        return cls.restore(CheckedFiles(folder))

    @classmethod
    def restore(cls, checked: CheckedFiles) -> Self:
        """Build the bundle from files whose checksums were compared.

        Raises:
            RunError: If the files have another schema, are incomplete, or do not fit together.
        """
        facts, folder = checked.facts, checked.folder
        if facts.get("schema") != SCHEMA:
            message = (
                f"{folder}: bundle of schema {facts.get('schema')}, this version reads {SCHEMA}; make the run again"
            )
            raise RunError(message)
        try:
            return cls._of(checked, facts)
        except DAMAGE as error:
            message = f"{folder}: the parts of the bundle do not fit ({_reason(error)}); make the run again"
            raise RunError(message) from error

    @classmethod
    def _of(cls, checked: CheckedFiles, facts: Mapping[str, Any]) -> Self:
        served = _served(facts)
        fusion = Fusion.restore(checked.arrays("fusion.safetensors"), facts["fusion"])
        scaler = None if facts["scaler"] is None else _scaler(facts["scaler"])
        measured = facts.get("measurement_scaler")  # older bundles have none
        reference = Reference.read(checked, facts)
        networks = [
            build(served.model.name, reference.features.shape[1], served.model, classes=served.outputs)
            for _ in range(1 + facts.get("refits", 0))
        ]
        network, *refits = networks
        try:
            network.load_state_dict(load(bytes(checked["model.safetensors"])))
            stacked = load(bytes(checked[_REFITS])) if refits else {}
            for number, refit in enumerate(refits):
                refit.load_state_dict({name: tensor[number] for name, tensor in stacked.items()})
        except RuntimeError as error:  # a model of the same name from another version
            message = (
                f"{checked.folder}: made by a version with a different {served.model.name} network; make the run again"
            )
            raise RunError(message) from error
        space = SearchSpace.restore(checked.arrays("space.safetensors"))
        kept, mean = facts["uncertainty"], facts["mean_page"]
        uncertainty = None if kept is None else Uncertainty.from_dict(checked.json(kept))
        mean_page = None if mean is None else checked.arrays(mean)["mean"]
        return cls(
            served,
            network.eval(),
            fusion,
            scaler,
            space,
            reference,
            uncertainty,
            mean_page,
            sha256=checked.sha256,
            open_files=tuple(checked.open_files),
            measurement_scaler=None if measured is None else _scaler(measured),
            refits=tuple(refit.eval() for refit in refits),
            shards=shard_facts(facts.get("shards")),
        )


def _served(facts: Mapping[str, Any]) -> BundleFacts:
    """Return settings and metadata after a check of their types."""
    later: dict[str, Any] = {"measured": "", "classes": [], "follow_up": None}  # older bundles have none
    plain = {each.name: facts[each.name] for each in fields(BundleFacts) if each.name not in later}
    plain |= {name: facts.get(name, default) for name, default in later.items()}
    maps = None if plain["maps"] is None else MapVerdict.from_dict(plain["maps"])
    served: BundleFacts = TypeAdapter(BundleFacts).validate_json(json.dumps(plain | {"maps": None}), strict=True)
    for name, share in (("threshold", served.threshold), ("prior", served.prior)):
        if share is not None and not 0 <= share <= 1:
            message = f"{name} is {share}, allowed 0-1"
            raise ValueError(message)
    return replace(served, maps=maps)


def _scaler(content: dict[str, Any]) -> ClinicalScaler:
    """Return the scaler after a check of the types of its variables."""
    TypeAdapter(tuple[ClinicalVariable, ...]).validate_json(json.dumps(content["variables"]), strict=True)
    return ClinicalScaler.from_dict(content)


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return f"{text} is missing" if isinstance(error, KeyError) else text.splitlines()[0][:200]


def _stacked(networks: tuple[Model, ...]) -> dict[str, torch.Tensor]:
    """Return the weights of networks of one shape, [networks, ...] each."""
    states = [network.state_dict() for network in networks]
    return {name: torch.stack([state[name] for state in states]).contiguous() for name in states[0]}


_REFITS = "refits.safetensors"
_RENEWABLE = ("uncertainty.", "maps.")


def _write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``bundle.json`` and remove files of an earlier recalibration."""
    files.write_json(folder / NAME, sealed(facts))
    for path in folder.iterdir():
        if path.name.startswith(_RENEWABLE) and path.name not in facts["sha256"]:
            path.unlink()


def _write_named(folder: Path, name: str, content: bytes, digests: dict[str, str]) -> str:
    """Write a file whose name contains its checksum, add the checksum to ``digests``, and return the name."""
    digest = hashlib.sha256(content).hexdigest()
    name = name.format(digest[:12])
    files.write_bytes(folder / name, content)
    digests[name] = digest
    return name
