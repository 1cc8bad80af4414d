"""OAuth 2.0 for tenants: access tokens and the endpoint that issues them, and JWTs of issuers that a tenant trusts."""
