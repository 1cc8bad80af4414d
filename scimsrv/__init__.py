"""A multi-tenant SCIM 2.0 provisioning server; this file holds its version."""

__version__ = "0.1.0"
