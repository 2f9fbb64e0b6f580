"""The workflow engine as a service sees it: a worker, instances, health, and recovery from faults of the runtime."""
