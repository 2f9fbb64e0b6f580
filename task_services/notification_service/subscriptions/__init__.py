"""One subscription of each of Dapr's four kinds, each in a module of its own."""
