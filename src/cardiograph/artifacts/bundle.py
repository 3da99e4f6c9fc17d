"""A model as it is served: network, fusion, scaler, reference records and encoder in one checked folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load, save

from cardiograph.artifacts import files
from cardiograph.artifacts.maps import MapVerdict
from cardiograph.clinical.scaler import ClinicalScaler
from cardiograph.config import GraphConfig, ModelConfig, PagesConfig
from cardiograph.containers import Lists
from cardiograph.errors import RunError
from cardiograph.fusion import Fusion
from cardiograph.graph.space import Space
from cardiograph.imaging.encoder import EncoderFacts, Engine
from cardiograph.models.catalogue import Model, build
from cardiograph.uncertainty.together import Uncertainty

SCHEMA = 3


@dataclass(frozen=True)
class Reference:
    """The records that a query can hear, and what tells whether a query is one of them.

    Args:
        features: [reference, features] float32, fused.
        present: [reference, blocks] bool, whether a record has a block.
        places: [reference, coordinates] float32 in a learnt space, cross-fitted; None where features tell the place.
        states: For each layer of the network, [reference, width] float32 input states; the first are the features.
        degree: [reference] float32, neighbours heard + 1.
        labels: [reference] int64 0, 1 or -1.
        clinical: [reference, variables] float64 in their units, NaN where missing.
        groups: [reference] int64.
        record_ids: [reference] names.
        patient_ids: [reference] names, empty where not given.
        pixel_hashes: [reference] hex, empty without a page.
        perceptual_hashes: [reference, bytes] uint8; no columns without pages.
        lists: By which a query finds its neighbours; None where the search is exact.
    """

    features: NDArray[np.float32]
    present: NDArray[np.bool_]
    places: NDArray[np.float32] | None
    states: tuple[NDArray[np.float32], ...]
    degree: NDArray[np.float32]
    labels: NDArray[np.int64]
    clinical: NDArray[np.float64]
    groups: NDArray[np.int64]
    record_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    pixel_hashes: tuple[str, ...]
    perceptual_hashes: NDArray[np.uint8]
    lists: Lists | None = None

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class Served:
    """Settings and facts of a model that its answers need.

    Args:
        model: Which network, and its sizes.
        graph: ``k`` and metric.
        pages: How pages are read.
        outcome: What label 1 means.
        provenance: What a score rests on, in words.
        clinical_provenance: One for each variable.
        threshold: Chosen on validation records; None where it is void: of an extended run that was not renewed.
        encoder: None without pages.
        probe: [512] what the encoder's engine made of a fixed input; empty without pages.
        prior: Share of label 1 that votes start from; None: that of the reference records, which were not extended.
        maps: Whether attention maps mean something; None where it was not checked.
        reproduces: Names of the faults that were reproduced on purpose; such a model is for study, and every answer says so.
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


@dataclass(frozen=True)
class ModelBundle:
    """All that scoring a patient needs.

    Args:
        served: Settings and facts.
        network: In evaluation mode.
        fusion: Fitted on training rows.
        scaler: Fitted on training rows; None without clinical variables.
        space: Where neighbours are sought.
        reference: The records that a query can hear.
        uncertainty: How scores become probabilities, intervals and sets; None where nothing was fitted.
        mean_page: [512, 14, 14] float32, the share of each cell in each value of the embedding of a mean training page, see
            :mod:`cardiograph.explain.saliency`; None where maps were not checked.
    """

    served: Served
    network: Model
    fusion: Fusion
    scaler: ClinicalScaler | None
    space: Space
    reference: Reference
    uncertainty: Uncertainty | None = None
    mean_page: NDArray[np.float32] | None = None

    def save(self, folder: Path, engine: Engine | None) -> None:
        """Write the bundle; ``bundle.json`` with the SHA-256 of every file comes last.

        Args:
            folder: Where to.
            engine: The encoder's engine, whose files are written too.
        """
        (folder / "bundle.json").unlink(missing_ok=True)
        tensors = {name: tensor.contiguous() for name, tensor in self.network.state_dict().items()}
        files.write_bytes(folder / "model.safetensors", save(tensors))
        files.write_arrays(folder / "fusion.safetensors", self.fusion.arrays())
        files.write_arrays(folder / "space.safetensors", self.space.arrays())
        files.write_arrays(folder / "reference.safetensors", _reference_arrays(self.reference))
        lists = self.reference.lists
        if lists is None:
            (folder / _LISTS).unlink(missing_ok=True)
        else:
            files.write_arrays(folder / _LISTS, {name: getattr(lists, name) for name in _LIST_ARRAYS})
        if self.uncertainty is not None:
            files.write_json(folder / "uncertainty.json", self.uncertainty.to_dict())
        if self.mean_page is None:
            (folder / _MAPS).unlink(missing_ok=True)
        else:
            files.write_arrays(folder / _MAPS, {"mean": self.mean_page})
        if engine is not None:
            engine.save(folder)
        reference = {name: list(getattr(self.reference, name)) for name in _NAMES}
        files.write_json(folder / "reference.json", reference)
        served = self.served
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "model": served.model.model_dump(mode="json"),
            "graph": served.graph.model_dump(mode="json"),
            "pages": served.pages.model_dump(mode="json"),
            "outcome": served.outcome,
            "provenance": served.provenance,
            "clinical_provenance": list(served.clinical_provenance),
            "encoder": None if served.encoder is None else asdict(served.encoder),
            "probe": list(served.probe),
            "prior": served.prior,
            "reproduces": list(served.reproduces),
            **self._renewable(),
            "fusion": self.fusion.recorded(),
            "scaler": None if self.scaler is None else self.scaler.to_dict(),
            "states": len(self.reference.states),
            "lists": None if lists is None else {name: getattr(lists, name) for name in _LIST_FACTS},
        }
        present = sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.name != "bundle.json")
        content["sha256"] = {path.name: files.sha256_of(path) for path in present}
        files.write_json(folder / "bundle.json", content)

    def save_renewed(self, folder: Path) -> None:
        """Write threshold, uncertainty and what is known of maps into a saved bundle whose other files stay.

        ``bundle.json`` comes last.
        """
        content, kept = read_bundle_facts(folder), folder / "uncertainty.json"
        if self.uncertainty is not None:
            files.write_json(kept, self.uncertainty.to_dict())
            content["sha256"][kept.name] = files.sha256_of(kept)
        if self.mean_page is not None:
            files.write_arrays(folder / _MAPS, {"mean": self.mean_page})
            content["sha256"][_MAPS] = files.sha256_of(folder / _MAPS)
        files.write_json(folder / "bundle.json", content | self._renewable())

    def _renewable(self) -> dict[str, Any]:
        """What of ``bundle.json`` may be known later than the rest."""
        maps = self.served.maps
        return {"threshold": self.served.threshold, "maps": None if maps is None else maps.as_dict()}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read and check a bundle.

        Raises:
            RunError: A file is missing, differs from its checksum, or is of another schema.
        """
        content = read_bundle_facts(folder)
        served = Served(
            model=ModelConfig(**content["model"]),
            graph=GraphConfig(**content["graph"]),
            pages=PagesConfig(**content["pages"]),
            outcome=content["outcome"],
            provenance=content["provenance"],
            clinical_provenance=tuple(content["clinical_provenance"]),
            threshold=content["threshold"],
            encoder=None if content["encoder"] is None else EncoderFacts(**content["encoder"]),
            probe=tuple(content["probe"]),
            prior=content.get("prior"),
            maps=MapVerdict.from_dict(content["maps"]) if content.get("maps") else None,
            reproduces=tuple(content.get("reproduces", ())),
        )
        fusion = Fusion.restore(files.read_arrays(folder / "fusion.safetensors"), content["fusion"])
        scaler = None if content["scaler"] is None else ClinicalScaler.from_dict(content["scaler"])
        reference = _read_reference(folder, content)
        network = build(served.model.name, reference.features.shape[1], served.model)
        try:
            network.load_state_dict(load((folder / "model.safetensors").read_bytes()))
        except RuntimeError as error:  # a model of the same name from another version of the program
            message = f"{folder}: made by a version whose {served.model.name} is another network; make the run again"
            raise RunError(message) from error
        space = Space.restore(files.read_arrays(folder / "space.safetensors"))
        kept = folder / "uncertainty.json"
        uncertainty = Uncertainty.from_dict(files.read_json(kept)) if kept.name in content["sha256"] else None
        mean_page = files.read_arrays(folder / _MAPS)["mean"] if _MAPS in content["sha256"] else None
        return cls(served, network.eval(), fusion, scaler, space, reference, uncertainty, mean_page)


def read_bundle_facts(folder: Path) -> dict[str, Any]:
    """``bundle.json``, after the checksum of every file it names was compared."""
    content = files.read_json(folder / "bundle.json")
    if content.get("schema") != SCHEMA:
        message = f"{folder}: bundle of schema {content.get('schema')}, this program reads {SCHEMA}; make the run again"
        raise RunError(message)
    for name, expected in content["sha256"].items():
        path = folder / name
        if not path.exists() or files.sha256_of(path) != expected:
            state = "is missing" if not path.exists() else "differs from its checksum"
            message = f"{path}: {state}; the bundle was changed or copied in part, copy or make it again"
            raise RunError(message)
    return content


_ARRAYS = ("features", "degree", "labels", "clinical", "groups", "perceptual_hashes")
_LISTS, _MAPS = "lists.safetensors", "maps.safetensors"
_LIST_ARRAYS = ("centroids", "rows", "starts", "centre", "axes", "lowered")
_LIST_FACTS = ("probes", "recall", "sampled", "raised")
_NAMES = ("record_ids", "patient_ids", "pixel_hashes")


def _read_reference(folder: Path, content: dict[str, Any]) -> Reference:
    """The reference records, their large arrays left on the disk."""
    arrays, names = files.map_arrays(folder / "reference.safetensors"), files.read_json(folder / "reference.json")
    later = [arrays.pop(f"state_{depth}") for depth in range(1, content["states"])]
    states = (arrays["features"], *later) if content["states"] else ()
    fields: dict[str, Any] = {"places": None, **arrays, "present": arrays["present"].astype(bool), "states": states}
    fields |= {name: tuple(names[name]) for name in _NAMES}
    if content["lists"] is not None:
        of_lists: dict[str, Any] = {**files.map_arrays(folder / _LISTS), **content["lists"]}
        fields["lists"] = Lists(**of_lists)
    return Reference(**fields)


def _reference_arrays(reference: Reference) -> dict[str, NDArray[Any]]:
    arrays = {name: getattr(reference, name) for name in _ARRAYS}
    arrays["present"] = reference.present.astype(np.uint8)
    if reference.places is not None:
        arrays["places"] = reference.places
    later = enumerate(reference.states[1:], start=1)  # the first states are the features
    return arrays | {f"state_{depth}": state for depth, state in later}
