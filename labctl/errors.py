"""The error that ends a command of labctl."""


class LabError(Exception):
    """One clear sentence for the user, with the next step in it; never shown as a traceback."""
