"""Pretraining of the ECG encoder on drawn hearts and on recordings without labels."""
