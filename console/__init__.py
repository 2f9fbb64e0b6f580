"""A web page that shows what Dapr does. `./lab console` starts it; no service imports it."""
