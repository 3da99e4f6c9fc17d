"""Twelve-lead ECG signals."""
