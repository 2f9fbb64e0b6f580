"""Make what a start needs: the Dapr runtime, Redis, Python environments, secrets."""
