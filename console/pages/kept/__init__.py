"""The parts of the page about state and jobs."""
