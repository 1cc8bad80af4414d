"""The public URLs of a tenant's badges: they stand in signed credentials, so they stay as they are for years."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Places:
    """The URLs of one tenant. `public` is the server's public URL without a slash at its end."""

    public: str
    slug: str

    @classmethod
    def beside(cls, base_url: str) -> Places:
        """The URLs of the tenant whose SCIM resources are below this URL, `{public}/scim/{slug}/v2`."""
        public, _, slug = base_url.removesuffix("/v2").rpartition("/scim/")
        return cls(public, slug)

    @property
    def base(self) -> str:
        """What all of them begin with."""
        return f"{self.public}/badges/{self.slug}"

    def issuer(self, id_: str) -> str:
        """An issuer's id: the URL of its profile."""
        return f"{self.base}/issuers/{quote(id_, safe='')}"

    def key(self, issuer: str, thumbprint: str) -> str:
        """The id of an issuer's key: the URL of its JWK."""
        return f"{self.issuer(issuer)}/keys/{thumbprint}"

    def method(self, issuer: str, multikey: str) -> str:
        """The id of an issuer's key for embedded proofs: a part of its profile."""
        return f"{self.issuer(issuer)}#{multikey}"

    def did(self, issuer: str) -> str:
        """The issuer's did:web, whose document stands below the profile's URL."""
        parts = urlsplit(self.issuer(issuer))
        return ":".join(("did:web", quote(parts.netloc, safe=""), *parts.path.strip("/").split("/")))

    def status_list(self, issuer: str, number: int) -> str:
        """One of an issuer's status lists."""
        return f"{self.issuer(issuer)}/status/{number}"

    def achievement(self, id_: str) -> str:
        """An achievement's id: the URL of its description."""
        return f"{self.base}/achievements/{quote(id_, safe='')}"

    def award(self, token: str) -> str:
        """A credential's id: the URL at which anybody who has it can verify it."""
        return f"{self.base}/v/{token}"


def owner_of(url: str, public: str) -> tuple[str, str] | None:
    """Slug and issuer's id of the URL of one of this server's issuers, of something below it or a part of it; None for any other URL."""
    prefix = f"{public}/badges/"
    if not url.startswith(prefix):
        return None
    segments = url.removeprefix(prefix).partition("#")[0].split("/")
    if len(segments) < 3 or segments[1] != "issuers" or not segments[2]:
        return None
    slug, issuer = segments[0], unquote(segments[2])
    return None if "\x00" in slug + issuer else (slug, issuer)  # which no id has, and no database takes
