"""What moved an answer: clinical values, the page, and the neighbours."""

from cardiograph.callable_package import make_callable
from cardiograph.explain.explanation import AttentionMap, Explanation, explain

__all__ = ["AttentionMap", "Explanation", "explain"]

make_callable(__name__, "cardiograph.explain.explanation:explain")
