"""From the counters of every process of a server to Prometheus's text format."""

from __future__ import annotations

import os
import platform
import struct
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from scimsrv import __version__
from scimsrv.allowance import Allowance
from scimsrv.board import Board
from scimsrv.metrics import Metrics
from scimsrv.store.liveness import Seen
from scimsrv.store.migrate import expected_version
from scimsrv.store.survey import Survey
from scimsrv.surveying import gauges

#: Metrics of the server as a whole, which the process that answers scrapes knows: name, labels, meaning.
OF_SERVER: Final = (
    ("scim_build_info", ("version", "python"), "The version that runs; the value is 1"),
    ("scim_schema_version", (), "The version of the database's schema, when the database answers"),
    ("scim_schema_version_expected", (), "The version that the program was made for; that of a later program will do"),
    ("scim_database_up", (), "Whether the database answers: 1 or 0"),
    ("scim_workers", (), "Processes that serve the data plane and whose event loop has begun to turn"),
    (
        "scim_resources",
        ("tenant", "resource_type", "active"),
        "Resources that there are, looked at each minute; users by whether they are active",
    ),
    (
        "scim_token_expiry_timestamp_seconds",
        ("tenant", "token_id"),
        "When a credential ends, by its public id: of each tenant the ten that end first, of all tenants 260",
    ),
    ("scim_audit_head_timestamp_seconds", (), "When an audit chain was last sealed"),
    ("scim_audit_unsealed_age_seconds", (), "Age of the oldest change that has no place in its audit chain yet; 0 where all have one"),
    ("scim_requests_waiting", (), "Asynchronous requests that are not finished"),
    ("scim_requests_waiting_age_seconds", (), "Age of the oldest of them; 0 where there is none"),
    ("scim_badge_credentials_unsigned", (), "Credentials of badges that wait for being signed"),
)

#: Tries to read files in which others write: one that is being made has no head yet.
_TRIES: Final = 5


def metrics_of(board: Board, process: str, tenants: int) -> tuple[Metrics, CollectorRegistry]:
    """The metrics of this process. With several processes they are files of the board, under the name of the process; `tenants` is how
    many tenants have a label."""
    if board.directory is not None:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(board.directory)
        values.ValueClass = values.MultiProcessValue(lambda: process)  # type: ignore[no-untyped-call]
    else:
        values.ValueClass = values.MutexValue
    registry = CollectorRegistry()
    return Metrics(registry, Allowance(tenants, board.tenants)), registry


def exposition(board: Board, registry: CollectorRegistry, tenants: Allowance) -> Callable[[Seen | None, Survey | None], tuple[bytes, str]]:
    """What a scrape is answered: text and media type. `tenants` is who has a label."""
    server = CollectorRegistry()
    ProcessCollector(registry=server)
    state = _State(board, tenants)
    server.register(state)

    def made(seen: Seen | None, survey: Survey | None) -> tuple[bytes, str]:
        state.seen, state.survey = seen, survey
        return _counted(board, registry) + generate_latest(server), CONTENT_TYPE_LATEST

    return made


def _counted(board: Board, registry: CollectorRegistry) -> bytes:
    if board.directory is None:
        return generate_latest(registry)
    board.forget_dead()
    shared = CollectorRegistry()
    MultiProcessCollector(shared, str(board.directory))  # type: ignore[no-untyped-call]
    for _ in range(_TRIES - 1):
        try:
            return generate_latest(shared)
        except (struct.error, RuntimeError):  # a file or an entry that is being made
            continue
    return generate_latest(shared)


class _State:
    """The metrics of the server as a whole."""

    def __init__(self, board: Board, tenants: Allowance) -> None:
        self.seen: Seen | None = None
        self.survey: Survey | None = None
        self._board = board
        self._tenants = tenants

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families, for the registry."""
        seen = self.seen
        said = {"version": __version__, "python": platform.python_version()}
        found: list[tuple[str, dict[str, str], float]] = [("scim_build_info", said, 1), ("scim_workers", {}, len(self._board.beats()))]
        found.append(("scim_schema_version_expected", {}, expected_version()))
        if seen is not None:
            found.append(("scim_database_up", {}, int(seen.answers)))
            if seen.version is not None:
                found.append(("scim_schema_version", {}, seen.version))
        if self.survey is not None:
            found += gauges(self.survey, self._tenants)
        for name, labels, meaning in OF_SERVER:
            family = GaugeMetricFamily(name, meaning, labels=labels)
            for one, said, value in found:
                if one == name:
                    family.add_metric([said[label] for label in labels], value)
            if family.samples:
                yield family
