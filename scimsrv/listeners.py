"""The addresses that a server listens on: reserved before anything else begins, and checked for what they would expose."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from scimsrv.settings import Settings, SettingsError, is_loopback


class ServeError(Exception):
    """The server cannot start; the message says why and what to do."""


def check_exposure(settings: Settings) -> None:
    """Refuse what would expose data by oversight. Raises SettingsError with the way to allow it by name."""
    for host in (settings.host, settings.admin_host) if settings.admin else (settings.host,):
        if is_loopback(host):
            continue
        if settings.embedded and not settings.allow_remote_embedded:
            raise SettingsError(
                f"The embedded mode is for trying out and stays on this machine; {host} is not a loopback address. "
                "Give --database-url, or allow it with --allow-remote-embedded."
            )
        if settings.tls_cert is None and not settings.trusted_proxies and not settings.allow_plain_http:
            raise SettingsError(
                f"Tokens would cross the network in clear text on {host}. Give --tls-cert and --tls-key, name the proxy that "
                "terminates TLS with --trusted-proxy, or allow it with --allow-plain-http."
            )


def proxies(settings: Settings) -> list[str] | None:
    """The networks of trusted proxies, those of IPv4 also in the clothes of IPv6 (RFC 4291 §2.5.5.2), which an IPv4 client wears at a
    listener on `::`; None where there are none."""
    found = [ipaddress.ip_network(one) for one in settings.trusted_proxies]
    mapped = [f"::ffff:{one.network_address}/{96 + one.prefixlen}" for one in found if one.version == 4]
    return [*map(str, found), *mapped] or None


@dataclass(frozen=True, slots=True)
class Listeners:
    """The reserved addresses: that of the data plane, and those of the admin API and of metrics and health where they are served."""

    data: socket.socket
    admin: socket.socket | None = None
    metrics: socket.socket | None = None

    def resolved(self, settings: Settings) -> Settings:
        """The settings with the ports that were found free."""
        ports = {"port": self.data.getsockname()[1]}
        if self.admin is not None:
            ports["admin_port"] = self.admin.getsockname()[1]
        if self.metrics is not None:
            ports["metrics_port"] = self.metrics.getsockname()[1]
        return settings.model_copy(update=ports)


@contextlib.contextmanager
def listen(settings: Settings) -> Iterator[Listeners]:
    """Reserve the addresses for the length of a block. Raises ServeError when one is taken or not ours."""
    with contextlib.ExitStack() as stack:

        def reserve(host: str, port: int, flag: str) -> socket.socket:
            return stack.enter_context(_reserved(host, port, flag))

        data = reserve(settings.host, settings.port, "--port")
        admin = metrics = None
        if settings.admin:
            admin = reserve(settings.admin_host, settings.admin_port, "--admin-port, or do without with --no-admin")
        if settings.metrics:
            metrics = reserve(settings.metrics_host, settings.metrics_port, "--metrics-port, or do without with --no-metrics")
        yield Listeners(data, admin, metrics)


def _reserved(host: str, port: int, flag: str) -> socket.socket:
    reserved = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        raise ServeError(f"Cannot listen on {host} port {port}: {error.strerror}. Choose another with {flag}.") from None
    reserved.set_inheritable(True)
    return reserved
