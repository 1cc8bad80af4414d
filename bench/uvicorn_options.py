"""Runs an application under uvicorn with the options that the server runs under, so that only the applications differ."""

import uvicorn


def serve_like_ours(application: str, port: int) -> None:
    """Serve the application made by the factory `module:name` on a port of the loopback address until it is terminated.

    uvicorn's own HTTP protocol is used: the limits that the server puts on raw connections are work of the server.
    """
    uvicorn.run(
        application,
        factory=True,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
