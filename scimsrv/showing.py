"""What a request shows of whoever sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scimsrv.auth import Shown
from scimsrv.http import Fields
from scimsrv.oauth.service import client_address


def shown_by(connection: Mapping[str, Any], headers: Fields, slug: str) -> Shown:
    """What a request to a tenant shows, from which who asks is found."""
    return Shown(headers.all(b"authorization"), slug, client_address(connection))
