"""PATCH (RFC 7644 §3.5.2): operations as data, applied to a document without I/O."""
