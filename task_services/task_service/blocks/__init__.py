"""Dapr's building blocks, one module each."""
