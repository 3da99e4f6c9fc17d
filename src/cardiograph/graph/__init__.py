"""Patient-similarity graph: nearest reference records, exact or approximate, and attaching queries."""
