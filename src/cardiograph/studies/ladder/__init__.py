"""Ladder: measures how much each fault of a published pipeline changes the scores."""
