"""The record of every time a job fired: written, listed in pages, and streamed."""
