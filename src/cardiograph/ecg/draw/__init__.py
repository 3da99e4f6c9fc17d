"""Draws a twelve-lead signal as a page of ECG paper."""
