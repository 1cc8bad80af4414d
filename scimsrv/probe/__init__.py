"""Playing the connection tests of identity providers against a SCIM server, and saying in words why one of them would fail."""
