"""Topics as the components, the sidecars, Redis and the apps have them. Only letters.py changes anything."""
