"""Summaries of what users said: written by a rule or a model, and refreshed in the background."""
