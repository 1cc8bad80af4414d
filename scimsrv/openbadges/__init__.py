"""Badges over HTTP: what issuers publish, what a tenant's clients get of awards, verification, and the Open Badges API."""
