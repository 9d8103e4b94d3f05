"""The server, asked by OpenAI's own client."""

import base64
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from openai import OpenAI
from PIL import Image

from rhinoise.server.drawing import SIZE_HEADER
from rhinoise.server.ignored import HEADER
from rhinoise.storage.provenance import EDITED, GENERATED, SOURCES, read_provenance

PROMPT = "a red circle"


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0, timeout=60) as client:
        yield client


def opened(picture: Any) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture.b64_json)))


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), dtype=np.int16)


def png(image: Image.Image) -> tuple[str, bytes, str]:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return "picture.png", buffer.getvalue(), "image/png"


@pytest.fixture(scope="module")
def circle(shapes: Path) -> Image.Image:
    return Image.open(shapes / "red-circle.png")


def test_pictures_in_base64(client: OpenAI) -> None:
    answer = client.images.generate(prompt=PROMPT, n=2, extra_body={"seed": 5})
    assert answer.size == "16x16"
    assert answer.output_format == "png"
    first, second = map(opened, answer.data)
    assert first.size == (16, 16)
    assert (pixels(first) != pixels(second)).any()
    assert first.text["parameters"].startswith(PROMPT)


def test_pictures_at_addresses(client: OpenAI) -> None:
    """The address gives what base64 would, in the size and format that were asked for."""
    asked = {"prompt": PROMPT, "size": "40x24", "output_format": "webp", "extra_body": {"seed": 5}}
    (there,) = client.images.generate(**asked, response_format="url").data
    (here,) = client.images.generate(**asked).data
    answer = httpx.get(there.url)
    assert answer.headers["content-type"] == "image/webp"
    assert answer.content == base64.b64decode(here.b64_json)
    (plain,) = client.images.generate(prompt=PROMPT, response_format="url", extra_body={"seed": 5}).data
    assert read_provenance(httpx.get(plain.url).content).request["seed"] == 5


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_formats_keep_what_a_picture_says_of_itself(client: OpenAI, format: str) -> None:
    asked = {"prompt": PROMPT, "size": "64x64", "output_format": format, "extra_body": {"seed": 5}}
    rough = client.images.generate(**asked, output_compression=10).data[0]
    fine = client.images.generate(**asked, output_compression=100).data[0]
    assert len(rough.b64_json) < len(fine.b64_json)
    image = opened(fine)
    assert (image.format, image.size) == (format.upper(), (64, 64))
    assert f"{SOURCES}{GENERATED}" in str(image.info["xmp"])
    comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment.removeprefix(b"UNICODE\0").decode("utf-16-be").startswith(PROMPT)


def test_a_size_that_is_not_drawn_is_resampled_and_said(client: OpenAI) -> None:
    answer = client.images.with_raw_response.generate(prompt=PROMPT, size="48x32", extra_body={"seed": 5})
    assert answer.headers[SIZE_HEADER] == "drawn at 16x16, resampled to 48x32"
    image = opened(answer.parse().data[0])
    own = opened(client.images.generate(prompt=PROMPT, extra_body={"seed": 5}).data[0])
    assert image.size == (48, 32)
    assert (pixels(own.resize((48, 32), Image.Resampling.LANCZOS)) == pixels(image)).all()
    assert read_provenance(base64.b64decode(answer.parse().data[0].b64_json)).request["seed"] == 5


def test_what_has_no_counterpart(client: OpenAI) -> None:
    answer = client.images.with_raw_response.generate(
        prompt=PROMPT, quality="auto", style="vivid", user="somebody", background="opaque"
    )
    assert set(answer.headers[HEADER].split(", ")) == {"quality", "style", "user", "background"}
    with pytest.raises(openai.BadRequestError, match="quality has no counterpart"):
        client.images.generate(prompt=PROMPT, quality="hd")
    with pytest.raises(openai.BadRequestError, match="frame_count has no counterpart"):
        client.images.generate(prompt=PROMPT, extra_body={"frame_count": 4})


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"n": 11}, "n"),
        ({"size": "big"}, "size"),
        ({"size": "0x8"}, None),
        ({"size": "99999x99999"}, None),
        ({"output_format": "gif"}, "output_format"),
        ({"output_compression": 5}, None),
        ({"stream": True, "response_format": "url"}, None),
    ],
)
def test_bad_requests(client: OpenAI, asked: dict[str, Any], param: str | None) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(**{"prompt": PROMPT} | asked)
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"


def test_no_prompt_and_no_json(server: str) -> None:
    address = f"{server}/v1/images/generations"
    assert httpx.post(address, json={}).json()["error"]["param"] == "prompt"
    answer = httpx.post(address, content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_a_job_that_fails_is_told_as_an_error(client: OpenAI, circle: Image.Image) -> None:
    """A picture whose header is right and whose pixels are not: only the worker finds out."""
    name, data, kind = png(circle)
    broken = (name, data[:-60], kind)
    with pytest.raises(openai.BadRequestError, match="damaged"):
        client.images.edit(image=broken, prompt=PROMPT)
    with pytest.raises(openai.APIError, match="damaged"):
        list(client.images.edit(image=broken, prompt=PROMPT, stream=True))


def test_models(client: OpenAI) -> None:
    (model,) = client.models.list()
    assert client.models.retrieve(model.id).id == model.id == "shapes"
    assert client.images.generate(prompt=PROMPT, model="shapes").data
    with pytest.raises(openai.NotFoundError, match="shapes") as refused:
        client.images.generate(prompt=PROMPT, model="shapez")
    assert (refused.value.param, refused.value.code) == ("model", "model_not_found")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("dall-e-3")


def test_an_edit_changes_what_is_transparent(client: OpenAI, circle: Image.Image) -> None:
    """A mask over the left half: there it is drawn anew, and the right half stays."""
    picture = circle.convert("RGB").resize((16, 16))
    mask = Image.new("RGBA", (16, 16), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 8, 16))
    edited = client.images.edit(
        image=png(picture), mask=png(mask), prompt="a blue bar", extra_body={"seed": 1}
    ).data[0]
    assert read_provenance(base64.b64decode(edited.b64_json)).source == EDITED
    far = np.abs(pixels(opened(edited)) - pixels(picture)).mean(axis=(0, 2))
    assert far[:7].mean() > 10
    assert far[9:].max() < 2


def test_an_edit_without_a_mask_in_another_size(client: OpenAI, circle: Image.Image) -> None:
    """The picture keeps its proportions: 48 x 40 in 96 x 80 fills it."""
    asked = {"image": [png(circle)], "prompt": PROMPT, "extra_body": {"seed": 1}}
    assert opened(client.images.edit(**asked, size="96x80").data[0]).size == (96, 80)
    assert opened(client.images.edit(**asked).data[0]).size == (16, 16)


def test_edits_that_cannot_be(client: OpenAI, circle: Image.Image) -> None:
    image = png(circle)
    opaque, other = png(circle.convert("RGBA")), png(Image.new("RGBA", (20, 20)))
    with pytest.raises(openai.BadRequestError, match="nowhere transparent"):
        client.images.edit(image=image, mask=opaque, prompt=PROMPT)
    with pytest.raises(openai.BadRequestError, match="another size"):
        client.images.edit(image=image, mask=other, prompt=PROMPT)
    with pytest.raises(openai.BadRequestError, match="one picture"):
        client.images.edit(image=[image, image], prompt=PROMPT)
    with pytest.raises(openai.BadRequestError, match="not a picture"):
        client.images.edit(image=("a.png", b"text", "image/png"), prompt=PROMPT)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the client's, of a call that others still make
def test_variations(client: OpenAI, circle: Image.Image) -> None:
    answer = client.images.create_variation(image=png(circle), n=2, size="512x512")
    assert [opened(one).size for one in answer.data] == [(512, 512)] * 2


def test_a_stream_ends_with_the_picture(client: OpenAI) -> None:
    asked = {"prompt": PROMPT, "size": "32x32", "extra_body": {"seed": 5}}
    *partial, completed = client.images.generate(**asked, stream=True, partial_images=2)
    assert completed.type == "image_generation.completed"
    assert completed.b64_json == client.images.generate(**asked).data[0].b64_json
    assert completed.usage.total_tokens == 0
    assert 1 <= len(partial) <= 2
    for index, event in enumerate(partial):
        assert event.type == "image_generation.partial_image"
        assert event.partial_image_index == index
        assert opened(event).size == (32, 32)


def test_an_edit_as_a_stream(client: OpenAI, circle: Image.Image) -> None:
    *_, completed = client.images.edit(image=png(circle), prompt=PROMPT, stream=True)
    assert completed.type == "image_edit.completed"
    assert opened(completed).size == (16, 16)


@pytest.mark.parametrize("stream", [False, True])
def test_who_goes_away_ends_the_job(server: str, stream: bool) -> None:
    """A request that waits behind a long one, and a client that does not wait for it."""
    jobs = f"{server}/api/v1/jobs"
    long = httpx.post(jobs, json={"kind": "generate", "prompt": "long", "steps": 250, "count": 64}).json()
    prompt = f"gone {stream}"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server}/v1/images/generations", json={"prompt": prompt, "stream": stream}, timeout=1.0)
    found = waited_for(
        lambda: [job for job in httpx.get(jobs).json() if job["request"].get("prompt") == prompt]
    )
    assert found[0]["state"] == "cancelled"
    assert httpx.delete(f"{jobs}/{long['id']}").json()["state"] in ("running", "cancelled")


def waited_for(found: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What is found once it has ended; whoever has gone is noticed a little later."""
    until = time.monotonic() + 10
    while time.monotonic() < until and found()[0]["state"] in ("waiting", "running"):
        time.sleep(0.05)
    return found()
