"""labctl, the command behind ./lab: set up, start, break, test and measure the labs."""
