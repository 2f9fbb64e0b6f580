"""The parts that every service needs, written once and vendored into each: see README.md."""
