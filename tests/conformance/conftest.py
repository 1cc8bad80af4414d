"""What conformance tests share: a launcher of real servers on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scimsrv.keys import new_key
from tests.conformance.servers import launcher
from tests.conformance.trial import Trial
from tests.postgres import TestServer


@pytest.fixture(scope="module")
def trial(cluster: TestServer) -> Iterator[Trial]:
    """Yield where a module's trials take place: a fresh, migrated database and the process that starts servers on it."""
    url, key = cluster.create(), new_key()
    with launcher(url, key) as started:
        yield Trial(started, url, key)
    cluster.drop(url)
