"""Data containers passed between stages; each validates lengths, shapes and ids on construction."""

from cardiograph.containers.answers import DECISIONS, Neighbour, Prediction, Query
from cardiograph.containers.graph import IvfIndex, NearestNeighbours, PatientGraph, SearchPoints
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
    class_key,
    identifier,
    is_shortened,
)

__all__ = [
    "ADDED",
    "DECISIONS",
    "EXCLUDED",
    "PARTS",
    "TEST",
    "TRAIN",
    "VAL",
    "ClinicalTable",
    "Cohort",
    "Groups",
    "ImageEmbeddings",
    "IvfIndex",
    "NearestNeighbours",
    "Neighbour",
    "NodeFeatures",
    "Origin",
    "PatientGraph",
    "Prediction",
    "Query",
    "SearchPoints",
    "Split",
    "class_key",
    "identifier",
    "is_shortened",
]
