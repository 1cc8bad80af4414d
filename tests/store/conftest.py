"""Every statement that the program sends during the tests of the store is held to the rules of tests/statements.py."""

from collections.abc import Iterator

import pytest

from tests.recorder import faults, recording


@pytest.fixture(scope="session", autouse=True)
def statements_sent() -> Iterator[set[str]]:
    """Yield the distinct statements that the program has sent so far; at the end of the run they are checked."""
    with recording() as sent:
        yield sent
    wrong = {text: found for text in sorted(sent) if (found := faults(text))}
    assert not wrong, "\n\n".join(f"{', '.join(found)}:\n{text}" for text, found in wrong.items())
