"""Forgetting a user: tombstones, the job that deletes everything, and the dead letters of forgotten users."""
