"""Events that could not be processed: their routes, and the letters of forgotten users, which are not kept."""
