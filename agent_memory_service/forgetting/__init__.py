"""Forgetting a user: tombstones, and the job that deletes everything."""
