"""Reads and embeds a whole cohort, with caches and augmentation."""
