"""./lab new: a service that runs at once."""
