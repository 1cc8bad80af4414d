"""Servers that are wrong on purpose, one mistake each: every conformance check must notice at least one of them."""
