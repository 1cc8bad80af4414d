"""Does the server stay fast as data grow: one question per bar, on a tenant of a million users; python -m bench.scale."""
