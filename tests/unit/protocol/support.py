"""What the tests of the protocol share: expecting a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scimsrv.errors import Kind, ScimError


@contextmanager
def refused(kind: Kind, says: str = "") -> Iterator[None]:
    """Expects a ScimError of the kind whose sentence holds the text."""
    with pytest.raises(ScimError) as caught:
        yield
    assert caught.value.kind is kind, caught.value
    assert says in caught.value.sentence, caught.value
