"""The map of the labs: what there is, where it is drawn, and how it is drawn."""
