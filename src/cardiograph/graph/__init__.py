"""The patient-similarity graph: neighbours among reference records, queries attached to them."""
