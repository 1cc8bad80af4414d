"""Another server, as tests of what is fetched have it."""

from __future__ import annotations

from scimsrv.oauth.fetching import Fetcher, FetchError

HOST = "lists.example"


class Web:
    """Answers at URLs, and remembers who asked."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = {f"https://{HOST}/{name.removeprefix('page')}": body for name, body in pages.items()}
        self.asked: list[str] = []

    async def fetch(self, _fetcher: Fetcher, url: str) -> bytes:
        """What is there."""
        self.asked.append(url)
        if url not in self.pages:
            raise FetchError("it is away")
        return self.pages[url]
