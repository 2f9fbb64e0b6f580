"""What labctl says when it cannot go on."""


class LabError(Exception):
    """One clear sentence for the user, with the next step in it; never shown as a traceback."""
