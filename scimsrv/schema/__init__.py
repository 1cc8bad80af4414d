"""RFC 7643 in memory: attributes, their meaning, documents. No I/O."""
