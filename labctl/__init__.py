"""labctl, the command behind ./lab: brings up what is missing, drives the `dapr` CLI, tests, measures."""
