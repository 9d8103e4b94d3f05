"""A real server on loopback, with its worker and a tiny trained model, for every test that speaks HTTP."""

import asyncio
import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
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
def begun(trained: Path, shapes: Path) -> Callable[..., AbstractContextManager[subprocess.Popen[bytes]]]:
    """(port, data folder) => a server as a process of its own, begun by the command line, within a `with`."""

    @contextmanager
    def begin(port: int, data: Path) -> Iterator[subprocess.Popen[bytes]]:
        words = ["--model", trained, "--pictures", shapes, "--port", port, "--data", data]
        process = subprocess.Popen([sys.executable, "-m", "rhinoise", "serve", *map(str, words)])
        try:
            _wait_for(f"http://127.0.0.1:{port}")
            yield process
        finally:
            process.terminate()
            process.wait()

    return begin


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A port that nobody listens at."""
    return _free_port


@pytest.fixture(scope="session")
def server(begun: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one that tests share."""
    port = _free_port()
    with begun(port, tmp_path_factory.mktemp("server")):
        yield f"http://127.0.0.1:{port}"


class Api:
    """Our own API at an address, as a test asks it."""

    def __init__(self, server: str) -> None:
        self.server = server

    def get(self, path: str, **sent: Any) -> httpx.Response:
        """GET what is at a path below /api/v1."""
        return httpx.get(f"{self.server}/api/v1/{path}", **sent)

    def post(self, path: str, **sent: Any) -> httpx.Response:
        """POST to it."""
        return httpx.post(f"{self.server}/api/v1/{path}", timeout=60, **sent)

    def delete(self, path: str) -> httpx.Response:
        """DELETE it."""
        return httpx.delete(f"{self.server}/api/v1/{path}")

    def submit(self, **ask: Any) -> str:
        """The id of a job that was accepted."""
        answer = self.post("jobs", json=ask)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def events(self, id: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """What is told of it, until it ends."""
        address, seen = f"{self.server}/api/v1/jobs/{id}/events", {"Last-Event-ID": str(after)}
        with httpx.stream("GET", address, headers=seen, timeout=PATIENCE) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    def until(self, id: str, event: str) -> None:
        """Wait for such an event."""
        assert any(told["event"] == event for told in self.events(id)), f"{id} ended without {event}"

    def job(self, id: str) -> dict[str, Any]:
        """The job as it stands."""
        return self.get(f"jobs/{id}").json()

    def ended(self, id: str) -> dict[str, Any]:
        """The job, once it has ended."""
        list(self.events(id))
        return self.job(id)

    def pictures(self, id: str) -> list[np.ndarray]:
        """What it has drawn, aside from the sheet of all."""
        names = [name for name in self.job(id)["files"] if name.endswith(".png") and name != "grid.png"]
        answers = [self.get(f"jobs/{id}/files/{name}") for name in names]
        return [np.asarray(Image.open(io.BytesIO(answer.content)), int) for answer in answers]


@pytest.fixture(scope="session")
def api_at() -> type[Api]:
    """Address => what asks it."""
    return Api


@pytest.fixture(scope="session")
def api(server: str) -> Api:
    """What asks the server that tests share."""
    return Api(server)


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

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", "")  # each application sets it: afterwards it is as it was
        yield ask
    for app in apps:
        asyncio.run(app.state.jobs.close())
