"""The keys of the state stores as Redis has them. Nothing here writes."""
