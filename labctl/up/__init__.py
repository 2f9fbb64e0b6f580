"""Start, watch, break and stop a stack."""
