"""Traces as the pages show them: rows of the list, and lines of the waterfall."""
