"""Every setting of the server, read once from defaults, a TOML file, the environment and flags into one frozen object."""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

PREFIX: Final = "SCIMSRV_"
SECRETS: Final = frozenset({"database_url", "admin_database_url", "replica_url", "secret_key", "admin_token"})
"""Settings that may also come from a file named by SCIMSRV_<NAME>_FILE, and that are never shown."""

_LISTS: Final = frozenset({"trusted_proxies", "jwks_hosts", "badge_status_hosts", "badge_issuer_hosts"})


class SettingsError(Exception):
    """A setting is unknown, malformed or contradicts another; the message names it and says what to do."""


class Settings(BaseModel):
    """The configuration. Each field is a TOML key, an environment variable SCIMSRV_<NAME>, and where sensible a flag."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: str | None = Field(default=None, description="Postgres to use; without it an embedded one runs in the data directory")
    admin_database_url: str | None = Field(
        default=None, description="the same database for migrations and administration, as the role that owns the tables"
    )
    replica_url: str | None = Field(default=None, description="a streaming replica of the database, for searches; without it the database")
    replica_max_lag: float = Field(
        default=5.0, ge=0.1, le=3600, description="seconds that the replica may be behind; searches go to the database beyond it"
    )
    isolation: Literal["predicate", "rls"] = Field(
        default="predicate", description="what keeps tenants apart: each statement's predicate, or row-level security as well"
    )
    data_dir: Path = Field(default=Path(".scimsrv"), description="where embedded mode keeps database, key and demo token")
    postgres_bin: Path | None = Field(default=None, description="folder with initdb and postgres for embedded mode, instead of the wheel's")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    public_url: str | None = Field(default=None, description="URL that clients use; by default the address listened on")
    admin: bool = Field(default=True, description="serve the admin API, on an address of its own")
    admin_host: str = Field(default="127.0.0.1", description="address on which the admin API listens")
    admin_port: int = Field(default=8081, ge=0, le=65535, description="port of the admin API; 0 picks a free one")
    admin_url: str | None = Field(default=None, description="admin API that commands speak to, instead of a database")
    admin_token: str | None = Field(default=None, description="token with which commands speak to the admin API; prefer the file")
    metrics: bool = Field(default=True, description="serve metrics and health, on an address of their own")
    metrics_host: str = Field(default="127.0.0.1", description="address on which metrics and health are served")
    metrics_port: int = Field(default=9090, ge=0, le=65535, description="port of metrics and health; 0 picks a free one")
    metrics_tenants: int = Field(default=200, ge=0, le=10_000, description="most tenants that metrics tell apart; 0 tells none apart")
    log_level: Literal["error", "warning", "info"] = Field(
        default="info", description="least weight of a line in the log; info has requests"
    )
    log_pii: Literal["none", "hash"] = Field(
        default="none", description="what the log says of the userName that a request names: nothing, or a keyed hash"
    )
    activity: bool = Field(default=True, description="keep a log of the recent requests of each tenant")
    workers: int = Field(default=1, ge=1, le=256, description="server processes")
    pool_size: int = Field(default=10, ge=1, le=1000, description="database connections per process")
    statement_cache: int = Field(default=100, ge=0, le=10_000, description="prepared statements per connection; 0 behind an old pooler")
    max_body: int = Field(default=4 * 1024 * 1024, ge=1024, description="largest request body in bytes")
    max_search_body: int = Field(default=64 * 1024, ge=1024, description="largest body of a search in bytes")
    max_operations: int = Field(default=1000, ge=1, le=100_000, description="most operations in a bulk request")
    max_page: int = Field(default=1000, ge=1, le=100_000, description="most resources in one page")
    default_page: int = Field(default=100, ge=1, description="resources in a page when the client names no count")
    max_page_bytes: int = Field(
        default=8 * 1024 * 1024, ge=1024, description="most bytes of resources in one page, which has one of any size"
    )
    cursor_timeout: int = Field(default=3600, ge=1, description="seconds that a client has between two pages of a list read by cursor")
    token_rate: int = Field(
        default=1000, ge=1, description="requests per second of one token; a search counts as two, a bulk request as many"
    )
    token_burst: int = Field(default=2000, ge=1, description="requests of one token at once, after a rest")
    tenant_rate: int = Field(default=2000, ge=1, description="requests per second of all tokens of a tenant together")
    tenant_burst: int = Field(default=4000, ge=1, description="requests of a tenant at once, after a rest")
    rate_patience: float = Field(
        default=2.0, ge=0, le=10, description="seconds that a request too many is kept waiting before it is refused"
    )
    tenant_requests: int = Field(default=256, ge=1, description="most requests of a tenant in progress per process")
    tenant_searches: int = Field(default=4, ge=1, description="most searches of a tenant in progress per process; others wait for a while")
    admin_rate: int = Field(default=100, ge=1, description="requests per second of one token of the admin API, per process")
    admin_burst: int = Field(default=1000, ge=1, description="requests of one token of the admin API at once, after a rest")
    bad_tokens: int = Field(default=20, ge=1, description="invalid tokens from one address within a minute, after which it is told to wait")
    public_requests: int = Field(
        default=600, ge=1, description="requests without a token to public pages of badges from one address within a minute, per process"
    )
    secret_key: str | None = Field(default=None, description="the server's secret key; prefer the file")
    secret_key_file: Path | None = Field(default=None, description="file with the server's secret key; needed with a database URL")
    jwks_hosts: tuple[str, ...] = Field(
        default=(), description="hosts, or `*.` and a domain, from which keys of trusted issuers are fetched"
    )
    badge_contexts: Path | None = Field(default=None, description="folder with the JSON-LD contexts that embedded proofs of badges need")
    badge_status_hosts: tuple[str, ...] = Field(
        default=(), description="hosts, `*.` and a domain, or `*`, from which status lists of other badge issuers are fetched"
    )
    badge_issuer_hosts: tuple[str, ...] = Field(
        default=(), description="hosts, `*.` and a domain, or `*`, from which keys of other badge issuers are fetched"
    )
    badge_consent_url: str | None = Field(
        default=None,
        pattern=r"https?://.*\{request\}",
        description="page where users permit applications to reach their badges; `{tenant}` and `{request}` are replaced",
    )
    badge_terms_url: str | None = Field(default=None, description="terms of service that the Open Badges API names")
    badge_privacy_url: str | None = Field(default=None, description="privacy policy that the Open Badges API names")
    trusted_proxies: tuple[str, ...] = Field(default=(), description="networks whose X-Forwarded headers are believed")
    tls_cert: Path | None = Field(default=None, description="certificate chain, if the server itself terminates TLS")
    tls_key: Path | None = Field(default=None, description="private key of the certificate")
    allow_plain_http: bool = Field(default=False, description="permit http on an address other than loopback")
    allow_remote_embedded: bool = Field(default=False, description="permit the embedded mode on an address other than loopback")
    migrate: bool = Field(default=False, description="bring the database given by its URL up to date at start")
    drain_seconds: int = Field(default=10, ge=0, le=300, description="time that running requests get when the server stops")
    drain_delay: int = Field(
        default=0, ge=0, le=300, description="seconds for which a server that is told to stop still answers, not ready"
    )
    concurrency: int = Field(default=512, ge=1, description="most connections and requests in progress per process")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)
        return value

    @field_validator("jwks_hosts", "badge_status_hosts", "badge_issuer_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...], about: ValidationInfo) -> tuple[str, ...]:
        for host in value:
            if host == "*" and about.field_name != "jwks_hosts":
                continue
            if re.fullmatch(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+", host) is None:
                raise ValueError("must be names such as login.microsoftonline.com or *.okta.com")
        return value

    @field_validator("public_url", "admin_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must look like https://scim.example.com")
        if "@" in parts.netloc:
            raise ValueError("must hold no user and password: it is shown to everybody")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together")
        if self.secret_key is not None and self.secret_key_file is not None:
            raise ValueError("secret_key and secret_key_file exclude each other")
        if self.admin and self.admin_port == self.port != 0 and self.admin_host == self.host:
            raise ValueError("admin_port must not be port: the admin API has an address of its own")
        taken = [(self.host, self.port)] + ([(self.admin_host, self.admin_port)] if self.admin else [])
        if self.metrics and self.metrics_port and (self.metrics_host, self.metrics_port) in taken:
            raise ValueError("metrics_port must be neither port nor admin_port: metrics have an address of their own")
        if self.replica_url is not None and self.embedded and self.admin_url is None:
            raise ValueError("replica_url needs a database_url")
        if self.isolation == "rls" and self.embedded and self.admin_url is None:
            raise ValueError("isolation = rls needs a database_url: the embedded Postgres has one role, which owns everything")
        if self.default_page > self.max_page:
            raise ValueError("default_page must not exceed max_page")
        return self

    @property
    def embedded(self) -> bool:
        """Whether the server runs a Postgres of its own."""
        return self.database_url is None

    @property
    def isolated(self) -> bool:
        """Whether row-level security guards tenants' rows."""
        return self.isolation == "rls"

    @property
    def owner_url(self) -> str | None:
        """The database's URL for migrations and administration."""
        return self.admin_database_url or self.database_url

    @property
    def loopback(self) -> bool:
        """Whether the address listened on can be reached from this machine only."""
        return is_loopback(self.host)

    @property
    def base_url(self) -> str:
        """The URL in front of /scim/{tenant}/v2, without a slash at its end."""
        if self.public_url is not None:
            return self.public_url
        return self._address(self.host, self.port)

    @property
    def admin_base_url(self) -> str:
        """The URL of the admin API as this machine sees it, without a slash at its end."""
        return self._address(self.admin_host, self.admin_port) + "/admin/v1"

    @property
    def metrics_base_url(self) -> str:
        """The URL in front of /metrics and /readyz as this machine sees it."""
        return self._address(self.metrics_host, self.metrics_port, scheme="http")

    def _address(self, host: str, port: int, scheme: str | None = None) -> str:
        return f"{scheme or ('https' if self.tls_cert else 'http')}://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(flags: Mapping[str, object], environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """Merge the sources, each overriding the one before it: defaults, TOML file, environment, flags (those that are not None).

    Raises SettingsError for an unknown name (with the nearest known one), a value of the wrong form, or a file that cannot be read.
    """
    merged: dict[str, object] = {}
    if config is not None:
        merged.update(_from_file(config))
    merged.update(_from_environment(environ))
    merged.update({name: value for name, value in flags.items() if value is not None})
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the variables from which another process reads equal settings."""
    values = settings.model_dump(mode="json", exclude_defaults=True)
    return {PREFIX + name.upper(): ",".join(value) if isinstance(value, list) else str(value) for name, value in values.items()}


def _from_file(path: Path) -> dict[str, object]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"The configuration file {path} cannot be read: {error}.") from None
    for name in values:
        _known(name, name, f"in {path}")
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        value = environ[variable]
        name = variable.removeprefix(PREFIX).lower()
        # secret_key_file is a setting of its own; other secrets are read here.
        if name.endswith("_file") and name not in Settings.model_fields and name.removesuffix("_file") in SECRETS:
            name, value = name.removesuffix("_file"), _read_secret(Path(value), variable)
        elif name == "config":
            continue
        _known(name, variable, "in the environment")
        found[name] = tuple(part.strip() for part in value.split(",") if part.strip()) if name in _LISTS else value
    return found


def _read_secret(path: Path, variable: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The file {path} that {variable} names cannot be read: {error}.") from None


def _known(name: str, spelled: str, where: str) -> None:
    if name in Settings.model_fields:
        return
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    hint = ""
    if near:
        hint = f" Did you mean {PREFIX + near[0].upper() if spelled.startswith(PREFIX) else near[0]}?"
    raise SettingsError(f"Unknown setting {spelled} {where}.{hint}")


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"Setting {name}: {message}." if name else f"Settings: {message}."
