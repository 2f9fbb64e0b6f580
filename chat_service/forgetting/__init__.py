"""Forget a user when agent-memory-service has: an event, and a job that sweeps up."""
