"""SNOMED CT codes that the PhysioNet Challenge 2021 scores, by its abbreviations."""

from __future__ import annotations

DIAGNOSES: dict[str, tuple[str, frozenset[str]]] = {
    "AF": ("atrial fibrillation", frozenset({"164889003"})),
    "AFL": ("atrial flutter", frozenset({"164890007"})),
    "BBB": ("bundle branch block, not specified", frozenset({"6374002"})),
    "Brady": ("bradycardia", frozenset({"426627000"})),
    "LBBB": ("complete left bundle branch block", frozenset({"164909002", "733534002"})),
    "RBBB": ("complete right bundle branch block", frozenset({"59118001", "713427006"})),
    "IAVB": ("first-degree AV block", frozenset({"270492004"})),
    "IRBBB": ("incomplete right bundle branch block", frozenset({"713426002"})),
    "LAD": ("left axis deviation", frozenset({"39732003"})),
    "LAnFB": ("left anterior fascicular block", frozenset({"445118002"})),
    "LQRSV": ("low QRS voltages", frozenset({"251146004"})),
    "NSIVCB": ("non-specific intraventricular conduction disorder", frozenset({"698252002"})),
    "NSR": ("sinus rhythm", frozenset({"426783006"})),
    "PAC": ("premature atrial contraction", frozenset({"284470004", "63593006"})),
    "PR": ("pacing rhythm", frozenset({"10370003"})),
    "PRWP": ("poor R wave progression", frozenset({"365413008"})),
    "PVC": ("premature ventricular contraction", frozenset({"427172004", "17338001"})),
    "LPR": ("prolonged PR interval", frozenset({"164947007"})),
    "LQT": ("prolonged QT interval", frozenset({"111975006"})),
    "QAb": ("abnormal Q wave", frozenset({"164917005"})),
    "RAD": ("right axis deviation", frozenset({"47665007"})),
    "SA": ("sinus arrhythmia", frozenset({"427393009"})),
    "SB": ("sinus bradycardia", frozenset({"426177001"})),
    "STach": ("sinus tachycardia", frozenset({"427084000"})),
    "TAb": ("abnormal T wave", frozenset({"164934002"})),
    "TInv": ("inverted T wave", frozenset({"59931005"})),
}
"""Abbreviation -> description and codes; codes that the challenge scores as the same diagnosis are one entry.

Source: dx_mapping_scored.csv of the evaluation of the PhysioNet Challenge 2021.
"""

SOURCES = {
    "A": "CPSC",
    "Q": "CPSC-Extra",
    "I": "INCART",
    "S": "PTB",
    "HR": "PTB-XL",
    "E": "Georgia",
    "JS": "Chapman-Ningbo",
}
"""First letters of a record -> the database that it is from."""
