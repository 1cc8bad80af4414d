"""The limits on everything that a client controls; ServiceProviderConfig advertises from the object that enforces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes are bytes, lengths are characters, counts are items, times are seconds, rates are requests per second."""

    body_bytes: int = 4 * 1024 * 1024
    search_body_bytes: int = 64 * 1024
    json_depth: int = 16
    json_keys: int = 2_000
    json_containers: int = 250_000
    json_values: int = 1_000_000
    document_bytes: int = 1024 * 1024
    string_length: int = 65_536
    key_length: int = 256
    key_bytes: int = 1_024
    values: int = 50
    links: int = 100_000
    patch_operations: int = 1_000
    bulk_operations: int = 1_000
    bulk_id_length: int = 256
    bulk_seconds: int = 30
    projected_names: int = 100
    page: int = 1_000
    default_page: int = 100
    page_bytes: int = 8 * 1024 * 1024
    cursor_seconds: int = 3_600
    password_min: int = 8
    password_bytes: int = 1_024
    token_rate: float = 1_000.0
    token_burst: float = 2_000.0
    tenant_rate: float = 2_000.0
    tenant_burst: float = 4_000.0
    requests: int = 256
    searches: int = 4
    bulks: int = 2
    patience: float = 2.0


DEFAULT: Final = Limits()
