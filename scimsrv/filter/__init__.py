"""Filters and attribute paths (RFC 7644 §3.4.2.2, §3.5.2): text, tree, meaning. No I/O."""
