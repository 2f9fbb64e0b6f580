"""The parts of the pages about events: one topic, one dead letter, and publishing."""
