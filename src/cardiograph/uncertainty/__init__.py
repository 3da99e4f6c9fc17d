"""Uncertainty: calibrated probabilities, Venn-Abers intervals, conformal prediction sets, novelty detection."""
