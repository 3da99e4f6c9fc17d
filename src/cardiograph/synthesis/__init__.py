"""Synthetic patients with known ground truth."""
