"""The patterns: one file each, with its input, its workflow and its activities."""
