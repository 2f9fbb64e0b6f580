"""Stand-ins for Dapr, for the services' own tests."""
