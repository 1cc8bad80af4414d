"""From the settings to the limits that are enforced, and advertised."""

from __future__ import annotations

from scimsrv.limits import Limits
from scimsrv.settings import Settings


def limits_of(settings: Settings) -> Limits:
    """The limits that the settings name; the others are those of every server."""
    return Limits(
        body_bytes=settings.max_body,
        search_body_bytes=settings.max_search_body,
        bulk_operations=settings.max_operations,
        page=settings.max_page,
        default_page=settings.default_page,
        page_bytes=settings.max_page_bytes,
        cursor_seconds=settings.cursor_timeout,
        token_rate=settings.token_rate,
        token_burst=settings.token_burst,
        tenant_rate=settings.tenant_rate,
        tenant_burst=settings.tenant_burst,
        requests=settings.tenant_requests,
        searches=settings.tenant_searches,
        patience=settings.rate_patience,
    )
