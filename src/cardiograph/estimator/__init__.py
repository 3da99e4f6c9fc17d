"""The scikit-learn estimators: arrays in, probabilities or risks out, computed by the same code as in a run."""

from cardiograph.estimator.classifier import PatientGraphClassifier
from cardiograph.estimator.survival import PatientGraphSurvival

__all__ = ["PatientGraphClassifier", "PatientGraphSurvival"]
