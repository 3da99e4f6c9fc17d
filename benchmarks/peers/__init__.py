"""Other ways of working, written for comparison: slow on purpose, and no part of the package."""
