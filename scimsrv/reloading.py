"""What a running server takes over from its configuration when it is told to read it again (SIGHUP)."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable
from typing import Final

from scimsrv.settings import PREFIX, Settings, SettingsError, to_environment

log: Final = logging.getLogger("scimsrv")

#: The settings that are taken over: log, certificates, hosts of issuers' keys, limits. All others need a new start.
RELOADED: Final = (
    *("log_level", "tls_cert", "tls_key", "jwks_hosts", "concurrency"),
    *("max_body", "max_search_body", "max_operations", "max_page", "default_page", "max_page_bytes"),
    *("token_rate", "token_burst", "tenant_rate", "tenant_burst", "rate_patience", "tenant_requests", "tenant_searches"),
)


class CertificateError(SettingsError):
    """A certificate and its key cannot be used; the message says why."""


def check_tls(settings: Settings) -> None:
    """Try the certificate, where there is one. Raises CertificateError."""
    if settings.tls_cert is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(f"The certificate {settings.tls_cert} and key {settings.tls_key} cannot be used: {error}.") from None


class Reloading:
    """Reads the configuration again. `read` reads it as it was read at the start, `settings` are those in force, and `apply` lets the
    parts of the process know those that are to be."""

    def __init__(self, settings: Settings, read: Callable[[], Settings], apply: Callable[[Settings], None]) -> None:
        self._settings = settings
        self._read = read
        self._begun = read()
        self._apply = apply

    def __call__(self) -> bool:
        """Whether it was taken over; what is wrong with it is logged, and what held goes on. Processes that are started from now on find
        it in the environment."""
        try:
            fresh = self._read()
            if (fresh.tls_cert is None) != (self._settings.tls_cert is None):
                raise SettingsError("tls_cert: https begins or ends with a new start only.")
            made = self._settings.model_copy(update={name: getattr(fresh, name) for name in RELOADED})
            check_tls(made)
        except SettingsError as error:
            log.error("the configuration is not taken over, what held goes on: %s", error)
            return False
        needs = [name for name in Settings.model_fields if name not in RELOADED and getattr(fresh, name) != getattr(self._begun, name)]
        said = to_environment(made)
        for variable in (PREFIX + name.upper() for name in RELOADED):
            if variable in said:
                os.environ[variable] = said[variable]
            else:
                os.environ.pop(variable, None)
        try:
            self._apply(made)
        except (OSError, ssl.SSLError):  # the files of the certificate changed meanwhile
            log.exception("the configuration is not taken over as a whole: send the signal again")
            return False
        self._settings = made
        log.warning("the configuration was read again")
        if needs:
            log.warning("these settings need a new start: %s", ", ".join(needs))
        return True
