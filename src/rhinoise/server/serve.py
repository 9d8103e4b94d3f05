"""Serve, until stopped: one process that listens, and its workers."""

import errno
import re
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from rhinoise.core.errors import ConfigError, ModelFolderError
from rhinoise.server.app import make_app
from rhinoise.server.logs import log_to_stderr
from rhinoise.server.settings import ServeConfig
from rhinoise.storage.bundled import model_folder

KEY_LETTERS = 16
"""What a key has at least: fewer could be tried one by one."""
HANGING_UP_SECONDS = 3
"""What answers under way have when the server is told to end."""

_REFUSALS = {
    errno.EADDRINUSE: "is taken: choose another --port",
    errno.EACCES: "may not be used by you: choose another --port, above 1023",
    errno.EADDRNOTAVAIL: "is not an address of this machine: choose another --host",
}


class Server(uvicorn.Server):
    """Uvicorn's, which says when it listens, and ends although somebody is listening to events."""

    def __init__(self, config: ServeConfig, listening: Callable[[], None] = lambda: None) -> None:
        self.app = make_app(config)
        self.listening = listening
        super().__init__(
            uvicorn.Config(
                self.app,
                host=config.host,
                port=config.port,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=HANGING_UP_SECONDS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self.listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Hang up, then end."""
        self.app.state.jobs.hang_up()
        await super().shutdown(sockets)


def serve(config: ServeConfig, told: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; `told` gets the address as soon as somebody listens there.

    Raises:
        ConfigError: others could reach it and no key is wanted, the port is taken, the data folder is at
            work in another server, or there are no such pictures.
        ModelFolderError: there is no such model.
    """
    if not config.is_loopback and config.api_key is None:
        raise ConfigError(
            f"--host {config.host} is reached by other machines: write a key into a file and say "
            "--api-key-file FILE, or leave --host out"
        )
    _check_folders(config)
    _check_devices(config)
    log_to_stderr()
    with _listening(config) as listener:
        address = _address(config.host, listener.getsockname()[1])
        server = Server(config, lambda: told(address))
        with suppress(KeyboardInterrupt):  # how it is meant to be ended
            server.run(sockets=[listener])


def read_key(file: Path) -> str:
    """The key that a file holds; ConfigError where that is none."""
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise ConfigError(f"--api-key-file {file} cannot be read: {why}") from None
    if not key:
        raise ConfigError(f"--api-key-file {file} is empty: write a key of {KEY_LETTERS} letters or more")
    if len(key) < KEY_LETTERS:
        raise ConfigError(
            f"the key in {file} has {len(key)} letters, wanted {KEY_LETTERS} or more: it could be guessed"
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(f"the key in {file} is more than one word of ASCII letters, which a header takes")
    return key


def _check_folders(config: ServeConfig) -> None:
    for place in config.models:
        if not model_folder(place).is_dir():
            raise ModelFolderError(f"there is no model {place} (wanted a run, a model folder, or bundled)")
    for folder in config.pictures:
        if not folder.is_dir():
            raise ConfigError(f"there is no folder of pictures {folder}")
    for option, places in (("--model", config.models), ("--pictures", config.pictures)):
        names = Counter(Path(place).absolute().name for place in places)
        twice = [name for name, number in names.items() if number > 1]
        if twice:
            raise ConfigError(f"two of {option} are called {twice[0]}: rename one, for names tell them apart")


def _check_devices(config: ServeConfig) -> None:
    """Their names alone: whether there are such devices, only their workers find out."""
    for name in config.devices:
        if not re.fullmatch(r"cpu|mps|cuda(:\d{1,3})?", name):
            raise ConfigError(f"--device {name[:100]} is no device, wanted cpu, mps or cuda:NUMBER")


def _listening(config: ServeConfig) -> socket.socket:
    """The port, taken."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, OverflowError):
        raise ConfigError(f"--host {config.host} is no address: leave it out to serve this machine") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
    except OSError as error:
        listener.close()
        if error.errno not in _REFUSALS:
            raise
        where = _address(config.host, config.port)
        raise ConfigError(f"{where} {_REFUSALS[error.errno]}") from None
    return listener


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
