"""The side of a service that faces its callers: the app, its errors, its limits and its logs."""
