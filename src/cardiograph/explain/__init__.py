"""What moved an answer: clinical values, the page, and the neighbours."""

from cardiograph.explain.explanation import AttentionMap, Explanation, explain

__all__ = ["AttentionMap", "Explanation", "explain"]
