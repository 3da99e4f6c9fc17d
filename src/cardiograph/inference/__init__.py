"""The only path from a patient to a score: test records, the command line and the service all use it."""

from cardiograph.containers.answers import Query
from cardiograph.inference.answers import Scores, mean_distance, outcome_probabilities
from cardiograph.inference.predictor import Predictor
from cardiograph.inference.queries import AttachedQueries, Queries

__all__ = ["AttachedQueries", "Predictor", "Queries", "Query", "Scores", "mean_distance", "outcome_probabilities"]
