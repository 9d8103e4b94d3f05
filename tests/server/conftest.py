"""A real server on loopback, with its worker and a tiny trained model, for every test that speaks HTTP."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from rhinoise.server.app import make_app
from rhinoise.server.serve import Server
from rhinoise.server.settings import ServeConfig

PATIENCE = 120.0
"""Seconds that a worker may take to start, on a slow machine."""


@pytest.fixture(autouse=True, scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is kept in the person's own cache; workers inherit this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RHINOISE_CACHE", str(tmp_path_factory.mktemp("server-cache")))
        yield


@pytest.fixture(scope="session")
def serving(trained: Path, shapes: Path) -> Callable[..., AbstractContextManager[str]]:
    """(data folder, settings) => that server's address, within a `with`; its worker is up."""

    @contextmanager
    def serve(data: Path, **settings: Any) -> Iterator[str]:
        port = _free_port()
        config = ServeConfig(
            data=data, port=port, **({"models": (str(trained),), "pictures": (shapes,)} | settings)
        )
        server = Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(address)
            yield address
        finally:
            server.should_exit = True
            thread.join()

    return serve


@pytest.fixture(scope="session")
def server(
    serving: Callable[..., AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of one that tests share."""
    with serving(tmp_path_factory.mktemp("server")) as address:
        yield address


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(address: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if httpx.get(f"{address}/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError("the server did not come up")


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """Settings => a client of the real application, whose worker was not started: what is asked for waits."""
    apps = []

    def ask(**settings: Any) -> TestClient:
        model = tmp_path / "model"
        model.mkdir(exist_ok=True)
        config = ServeConfig(**({"data": tmp_path / f"data-{len(apps)}", "models": (str(model),)} | settings))
        apps.append(make_app(config))
        return TestClient(apps[-1], base_url="http://127.0.0.1", raise_server_exceptions=False)

    yield ask
    for app in apps:
        asyncio.run(app.state.jobs.close())
