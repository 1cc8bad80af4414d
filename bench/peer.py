"""The other SCIM server to be ahead of: the package scim2-server, resources in memory, its ASGI application under the same uvicorn."""

import sys
from typing import Any

from scim2_models import ScimProvider
from scim2_server.applications.asgi import ASGIApplication
from scim2_server.memory import AsyncInMemoryStorage
from scim2_server.utils import load_default_resource_types, load_default_schemas, load_default_service_provider_config

from bench.uvicorn_options import serve_like_ours


def make() -> Any:
    """The application with the defaults that its own command uses, without tokens."""
    provider = ScimProvider.from_discovery(
        load_default_schemas().values(), load_default_resource_types().values(), config=load_default_service_provider_config()
    )
    return ASGIApplication(AsyncInMemoryStorage(), provider)


if __name__ == "__main__":
    serve_like_ours("bench.peer:make", int(sys.argv[1]))
