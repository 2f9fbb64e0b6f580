"""Answer a message once, and the messages of a session one after the other."""
