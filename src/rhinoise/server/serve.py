"""Serve, until stopped: one process that listens, and its worker."""

import uvicorn

from rhinoise.core.errors import ConfigError
from rhinoise.server.app import make_app
from rhinoise.server.settings import ServeConfig


def serve(config: ServeConfig) -> None:
    """Listen on `config.host` and `port`; ConfigError where others could reach it and no key is wanted."""
    if not config.is_loopback and config.api_key is None:
        raise ConfigError(
            f"--host {config.host} is reached by other machines: write a key into a file and say "
            "--api-key-file FILE, or leave --host out"
        )
    uvicorn.run(make_app(config), host=config.host, port=config.port, log_level="warning")
