"""What the server counts, under the names that dashboards and alerts use."""

from typing import Final

from prometheus_client import Counter

AUTH_FAILURES: Final = Counter("scim_auth_failures", "Credentials that were refused", ("method", "reason"))
"""`method` is token, basic, jwt, secret, assertion or exchange; `reason` is unknown, or the rule that a JWT breaks, from a closed set."""

GUARD_TRIPPED: Final = Counter("scim_deletion_guard_tripped", "Times that a tenant's deletion guard began to hold deletions")
CREDENTIAL_EXPIRING: Final = Counter("scim_credential_expiring", "Warnings of credentials that end soon")
"""Each credential is counted once for each threshold of days."""

FILTER_FALLBACK: Final = Counter("scim_filter_fallback", "Searches that no index narrows, so that every resource of a type is read")
