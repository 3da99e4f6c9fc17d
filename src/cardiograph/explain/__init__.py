"""Explains a prediction by the effects of clinical values, of the page and of the neighbours."""

from cardiograph.callable_package import make_callable
from cardiograph.explain.explanation import AttentionMap, Explanation, explain

__all__ = ["AttentionMap", "Explanation", "explain"]

make_callable(__name__, "cardiograph.explain.explanation:explain")
