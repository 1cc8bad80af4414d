"""A black-box SCIM 2.0 conformance client: it talks HTTP to any base URL and knows nothing of a server's code."""
