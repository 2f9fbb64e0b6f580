"""What Dapr's scheduler has planned, read from its etcd, and what scheduler-test-py recorded of it."""
