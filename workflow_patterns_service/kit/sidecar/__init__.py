"""The side of a service that faces its own Dapr sidecar."""
