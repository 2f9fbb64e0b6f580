"""One subscription of each of Dapr's four kinds, one module each."""
