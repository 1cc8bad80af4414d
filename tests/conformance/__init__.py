"""The conformance client against a real server, and against servers that are wrong on purpose."""
