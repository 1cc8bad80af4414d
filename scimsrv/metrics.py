"""What the server counts, under the names that dashboards and alerts use."""

from typing import Final

from prometheus_client import Counter

GUARD_TRIPPED: Final = Counter("scim_deletion_guard_tripped", "Times that a tenant's deletion guard began to hold deletions")
FILTER_FALLBACK: Final = Counter("scim_filter_fallback", "Searches that no index narrows, so that every resource of a type is read")

LIMITED: Final = Counter("scim_ratelimited", "Requests that were refused with 429, by the limit that they met", ["limit"])
