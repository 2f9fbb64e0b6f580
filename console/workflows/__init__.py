"""Workflow instances: read through the sidecars, and steered through an app's own API where it has one."""
