"""The page's own doors: what a value that is sent to it can name, and what of a name is believed."""

import asyncio
import io
import socket
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio import processing_utils
from gradio.exceptions import InvalidPathError
from gradio.state_holder import SessionState
from PIL import Image
from starlette.testclient import TestClient

from rhinoise.core.errors import PictureError
from rhinoise.server.queue.jobs import NotThereError
from rhinoise.server.settings import Limits
from rhinoise.server.studio import html, pictures
from rhinoise.server.studio.following import uploaded
from rhinoise.storage.provenance import GENERATED, png_bytes

SENT = {"meta": {"_type": "gradio.FileData"}}


def page_of(client: TestClient) -> gr.Blocks:
    """The page that is mounted into an application."""
    apps = [getattr(route, "app", None) for route in client.app.routes]
    return next(app.get_blocks() for app in apps if hasattr(app, "get_blocks"))


def given_to(page: gr.Blocks, name: str, values: list[Any]) -> list[Any]:
    """What a handler of the page is given of values that were sent."""
    handler = next(one for one in page.fns.values() if one.name == name)
    token = gr.context.LocalContext.blocks.set(page)
    try:
        return asyncio.run(page.preprocess_data(handler, values, SessionState(page)))
    finally:
        gr.context.LocalContext.blocks.reset(token)


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hosts of which an address was looked for."""
    hosts: list[str] = []

    def looked(host: str, *values: Any, **settings: Any) -> Any:
        hosts.append(host)
        raise OSError("nothing is looked for")

    monkeypatch.setattr(socket, "getaddrinfo", looked)
    return hosts


@pytest.mark.parametrize("name", ["restore", "drown"])
def test_no_value_makes_the_page_fetch(
    asking: Callable[..., TestClient], asked_for: list[str], name: str
) -> None:
    value = {"path": "http://evil.example/x.png", **SENT}
    values = [value] if name == "restore" else ["", value]
    with pytest.raises(gr.Error, match="fetches nothing"):
        given_to(page_of(asking()), name, values)
    assert asked_for == []


def test_no_value_names_a_file_that_was_not_sent(asking: Callable[..., TestClient], tmp_path: Path) -> None:
    """Gradio would copy any file of this disk into its cache, and hand it on."""
    outside = tmp_path / "outside.png"
    Image.new("RGB", (4, 4)).save(outside)
    client = asking()
    with pytest.raises(InvalidPathError):
        given_to(page_of(client), "restore", [{"path": str(outside), **SENT}])
    # Of a value that does not say that it is a file, Gradio looks at nothing.
    _, given = given_to(page_of(client), "drown", ["", {"path": str(outside)}])
    with pytest.raises(NotThereError):
        uploaded(client.app.state.jobs, given)


def test_a_picture_that_was_sent_is_looked_at_before_it_is_decoded(
    asking: Callable[..., TestClient],
) -> None:
    client = asking(limits=Limits(pixels=100))
    jobs = client.app.state.jobs

    def sent(size: tuple[int, int]) -> Any:
        data = io.BytesIO()
        Image.new("RGB", size).save(data, "PNG")
        path = processing_utils.save_bytes_to_cache(data.getvalue(), "a.png", str(jobs.config.page))
        return given_to(page_of(client), "drown", ["", {"path": path, **SENT}])[1], data.getvalue()

    given, data = sent((10, 10))
    assert uploaded(jobs, given) == data
    with pytest.raises(PictureError, match="more than the 100 pixels"):
        uploaded(jobs, sent((10, 11))[0])


def test_what_a_picture_says_of_itself_names_no_file(tmp_path: Path) -> None:
    """Gradio would copy that file to where the page finds it."""
    picture = tmp_path / "a.png"
    named = {"prompt": "x", "guidance": {"path": "/etc/hostname", **SENT}}
    for request, refused in (
        ({"prompt": "x", "guidance": 2.0}, nullcontext()),
        (named, pytest.raises(PictureError)),
    ):
        picture.write_bytes(
            png_bytes(
                Image.new("RGB", (4, 4)), parameters="", request=request, model_hash="", source=GENERATED
            )
        )
        with refused:
            assert pictures.asked_by(picture).guidance == 2.0


@pytest.mark.parametrize(
    "key", ["upload:../../outside.png", "upload:", "job:x/../a.png", "upload:" + "0" * 32 + "\n"]
)
def test_what_is_picked_is_a_name_and_no_path(
    asking: Callable[..., TestClient], tmp_path: Path, key: str
) -> None:
    """What is told is the same whether there is such a file or not."""
    (tmp_path / "outside.png").touch()
    with pytest.raises(NotThereError, match="a file is called"):
        pictures.named(asking().app.state.jobs, key)


def test_no_address_ends_its_attribute() -> None:
    address = 'x" onerror="alert(1)'
    shown = html.picture(address) + html.flip([([address], "")], "") + html.page(address, "")
    assert 'onerror="' not in shown
