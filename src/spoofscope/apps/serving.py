"""Serving a page, for this machine unless told otherwise."""

import signal
import socket
from typing import Any

from spoofscope.errors import ConfigError

_LOCAL = ("127.0.0.1", "localhost", "::1")
_GOODBYE_SECONDS = 5


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: address to listen on.
        port: 0 takes any that is free.

    Raises:
        ConfigError: the address cannot be used.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # A visitor who opens the address as soon as it is printed waits, and is not refused.
        listener.listen()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"cannot listen on {host}, port {port}: {error}; choose another with --port"
        ) from error
    return listener


def address(host: str, listener: socket.socket) -> str:
    """The address to open in a browser."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def allowed_hosts(host: str) -> list[str]:
    """The names of this server in requests, for Starlette's TrustedHostMiddleware.

    Otherwise any web page could reach a page for this machine through a name that resolves to it.
    """
    return [*_LOCAL, "[::1]"] if host in _LOCAL else ["*"]


def run(app: Any, listener: socket.socket) -> None:
    """Serve an ASGI application until the process is interrupted."""
    import uvicorn

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GOODBYE_SECONDS
    )
    server = uvicorn.Server(config)
    if signal.getsignal(signal.SIGHUP) is signal.default_int_handler:
        signal.signal(signal.SIGHUP, server.handle_exit)
    # The server hands on SIGTERM, which is an interrupt here.
    server.run(sockets=[listener])
