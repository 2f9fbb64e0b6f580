"""The spans that the sidecars send: received in Zipkin's format, kept in memory, and counted by edge."""
