"""The nouns that travel between stages; each checks its lengths, shapes and ids when it is made."""

from cardiograph.containers.answers import DECISIONS, ROW, Neighbour, Prediction
from cardiograph.containers.graph import Lists, Neighbourhood, PatientGraph, Places
from cardiograph.containers.identifiers import class_key, identifier, is_shortened
from cardiograph.containers.records import (
    ADDED,
    EXCLUDED,
    PARTS,
    TEST,
    TRAIN,
    VAL,
    ClinicalTable,
    Cohort,
    Groups,
    ImageEmbeddings,
    NodeFeatures,
    Origin,
    Split,
)

__all__ = [
    "ADDED",
    "DECISIONS",
    "EXCLUDED",
    "PARTS",
    "ROW",
    "TEST",
    "TRAIN",
    "VAL",
    "ClinicalTable",
    "Cohort",
    "Groups",
    "ImageEmbeddings",
    "Lists",
    "Neighbour",
    "Neighbourhood",
    "NodeFeatures",
    "Origin",
    "PatientGraph",
    "Places",
    "Prediction",
    "Split",
    "class_key",
    "identifier",
    "is_shortened",
]
