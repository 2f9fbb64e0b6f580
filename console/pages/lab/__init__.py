"""The parts of a lab's page: its requests as buttons, and the lab itself, live."""
