"""The server, asked by a client of AUTOMATIC1111's API."""

import base64
import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import webuiapi
from PIL import Image

from rhinoise.diffusion.samplers import SAMPLERS as OURS
from rhinoise.diffusion.timesteps import SPACINGS
from rhinoise.server.a1111.names import SAMPLERS, SCHEDULERS, sampling
from rhinoise.server.drawing import SIZE_HEADER
from rhinoise.server.ignored import HEADER
from rhinoise.storage.provenance import EDITED, parse_parameters, read_provenance

PROMPT = "a red circle"
BARE = {"prompt": PROMPT, "seed": 5, "steps": 2}


@pytest.fixture(scope="module")
def client(server: str) -> webuiapi.WebUIApi:
    return webuiapi.WebUIApi(baseurl=f"{server}/sdapi/v1", steps=2)


@pytest.fixture(scope="module")
def circle(shapes: Path) -> Image.Image:
    return Image.open(shapes / "red-circle.png")


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), dtype=np.int16)


def refused(answer: httpx.Response, status: int) -> str:
    """Why, in their shape."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "detail", "body", "errors"}
    return answer.json()["detail"]


def as_text(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


# --- names


@pytest.mark.parametrize("one", SAMPLERS, ids=lambda one: one.name)
def test_every_sampler_is_there(one: Any) -> None:
    assert one.ours in OURS


@pytest.mark.parametrize("one", SCHEDULERS, ids=lambda one: one.name)
def test_every_scheduler_is_there(one: Any) -> None:
    assert one.ours is None or one.ours in SPACINGS


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        (("Euler a", "automatic"), ("ddpm", None)),
        (("euler A", "SGM Uniform"), ("ddpm", "trailing")),
        (("k_dpmpp_2m", "Karras"), ("dpmpp_2m", "karras")),
        (("DPM++ 2M Karras", None), ("dpmpp_2m", "karras")),
        (("DPM++ 2M SDE Exponential", "automatic"), ("dpmpp_2m_sde", "exponential")),
        ((None, None), (None, None)),
    ],
)
def test_names_as_clients_write_them(said: tuple, ours: tuple) -> None:
    assert sampling(*said) == ours


def test_every_listed_name_draws(server: str, client: webuiapi.WebUIApi) -> None:
    for sampler in client.util_get_sampler_names():
        assert client.txt2img(prompt=PROMPT, sampler_name=sampler).image
    for scheduler in client.util_get_scheduler_names():
        assert client.txt2img(prompt=PROMPT, scheduler=scheduler).image


def test_a_name_without_counterpart(server: str) -> None:
    address = f"{server}/sdapi/v1/txt2img"
    assert "did you mean 'DPM++ 2M SDE'" in refused(
        httpx.post(address, json=BARE | {"sampler_name": "DPM++ SDE"}), 404
    )
    assert "scheduler" in refused(httpx.post(address, json=BARE | {"scheduler": "beta"}), 404)


# --- pictures


def test_what_the_client_sends_unasked_works(client: webuiapi.WebUIApi) -> None:
    """512 x 512, Euler a, automatic, eta 1, guidance 7."""
    answer = client.txt2img(prompt=PROMPT, negative_prompt="blue", seed=5)
    assert answer.image.size == (512, 512)
    info = answer.info
    assert (info["width"], info["height"]) == (512, 512)
    assert (info["seed"], info["steps"], info["cfg_scale"]) == (5, 2, 7)
    assert (info["sampler_name"], info["sd_model_name"]) == ("Euler a", "shapes")
    assert info["infotexts"] == [answer.image.text["parameters"]]
    told = parse_parameters(info["infotexts"][0])
    assert (told.prompt, told.negative) == (PROMPT, "blue")
    assert (told.settings["Sampler"], told.settings["Size"]) == ("ddpm", "16x16")


def test_each_seed_of_an_answer_draws_its_picture(client: webuiapi.WebUIApi) -> None:
    several = client.txt2img(prompt=PROMPT, n_iter=2, batch_size=2)
    first, *_ = seeds = several.info["all_seeds"]
    assert seeds == list(range(first, first + 4))
    assert len(several.images) == 4
    assert client.txt2img(prompt=PROMPT).info["seed"] != first
    again = client.txt2img(prompt=PROMPT, seed=seeds[2]).image
    assert np.abs(pixels(again) - pixels(several.images[2])).max() <= 1


def test_ignored_and_resampled_is_said(server: str) -> None:
    address = f"{server}/sdapi/v1/txt2img"
    answer = httpx.post(address, json=BARE | {"width": 24, "height": 40, "eta": 1.0, "styles": []})
    assert answer.headers[SIZE_HEADER] == "drawn at 16x16, resampled to 24x40"
    assert answer.headers[HEADER] == "eta, styles"
    plain = httpx.post(address, json=BARE)
    assert not {SIZE_HEADER.lower(), HEADER.lower()} & set(plain.headers)
    assert Image.open(io.BytesIO(base64.b64decode(plain.json()["images"][0]))).size == (16, 16)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"enable_hr": True}, 400),
        ({"subseed_strength": 0.5}, 400),
        ({"alwayson_scripts": {"ControlNet": {}}}, 400),
        ({"override_settings": {"CLIP_stop_at_last_layers": 2}}, 400),
        ({"no_such_thing": 1}, 400),
        ({"width": 100_000, "height": 100_000}, 400),
        ({"n_iter": 100}, 400),
        ({"override_settings": {"sd_model_checkpoint": "no such"}}, 404),
        ({"steps": 0}, 422),
        ({"prompt": 5}, 422),
    ],
)
def test_what_cannot_be_done_is_refused(server: str, asked: dict[str, Any], status: int) -> None:
    assert refused(httpx.post(f"{server}/sdapi/v1/txt2img", json=BARE | asked), status)


def test_a_job_that_fails(server: str) -> None:
    """A picture whose header is right and whose pixels are not: only the worker finds out."""
    broken = base64.b64encode(base64.b64decode(as_text(Image.new("RGB", (64, 64))))[:-30]).decode()
    answer = httpx.post(f"{server}/sdapi/v1/img2img", json=BARE | {"init_images": [broken]})
    assert "damaged" in refused(answer, 400)


def test_a_picture_from_a_picture(client: webuiapi.WebUIApi, circle: Image.Image) -> None:
    near, far = (
        client.img2img(
            [circle],
            prompt=PROMPT,
            seed=1,
            denoising_strength=strength,
            width=48,
            height=40,
            sampler_name="DDIM",
        )
        for strength in (0.05, 1.0)
    )
    original = pixels(circle)
    assert np.abs(pixels(near.image) - original).mean() < np.abs(pixels(far.image) - original).mean()
    assert read_provenance(base64.b64decode(near.json["images"][0])).source == EDITED
    assert near.info["denoising_strength"] == 0.05
    assert "init_images" not in near.parameters


@pytest.mark.parametrize("invert", [0, 1])
def test_inside_a_mask(client: webuiapi.WebUIApi, circle: Image.Image, invert: int) -> None:
    """White on the left: there it is drawn anew, or, inverted, there it stays."""
    picture = circle.convert("RGB").resize((16, 16))
    mask = Image.new("L", (16, 16), 0)
    mask.paste(255, (0, 0, 8, 16))
    drawn = client.img2img(
        [picture],
        mask_image=mask,
        inpainting_mask_invert=invert,
        mask_blur=0,
        denoising_strength=1.0,
        prompt="a blue bar",
        seed=1,
        width=16,
        height=16,
    ).image
    far = np.abs(pixels(drawn) - pixels(picture)).mean(axis=(0, 2))
    left, right = far[:7], far[9:]
    changed, kept = (right, left) if invert else (left, right)
    assert changed.mean() > 10
    assert kept.max() < 2


def test_pictures_that_cannot_be_taken(server: str, circle: Image.Image) -> None:
    address, picture = f"{server}/sdapi/v1/img2img", as_text(circle)
    assert "send one" in refused(httpx.post(address, json=BARE), 404)
    assert "one at a time" in refused(httpx.post(address, json=BARE | {"init_images": [picture] * 2}), 400)
    assert "base64" in refused(httpx.post(address, json=BARE | {"init_images": ["?"]}), 400)
    black = BARE | {"init_images": [picture], "mask": as_text(Image.new("L", (48, 40)))}
    assert "no place to draw" in refused(httpx.post(address, json=black), 400)
    data_uri = {"init_images": [f"data:image/png;base64,{picture}"], "include_init_images": True}
    answer = httpx.post(address, json=BARE | data_uri)
    assert answer.json()["parameters"]["init_images"] == data_uri["init_images"]


# --- around it


def test_png_info(client: webuiapi.WebUIApi, server: str, circle: Image.Image) -> None:
    drawn = client.txt2img(prompt=PROMPT, seed=5, width=16, height=16)
    address = f"{server}/sdapi/v1/png-info"
    told = httpx.post(address, json={"image": drawn.json["images"][0]}).json()
    assert told["info"] == drawn.info["infotexts"][0]
    assert (told["parameters"]["Prompt"], told["parameters"]["Seed"]) == (PROMPT, "5")
    assert client.png_info(circle).info == ""
    assert refused(httpx.post(address, json={"image": "no"}), 400)


def test_models_and_options(client: webuiapi.WebUIApi, server: str) -> None:
    (model,) = client.get_sd_models()
    assert model["title"] == f"shapes [{model['hash']}]"
    assert model["sha256"].startswith(model["hash"])
    client.util_set_model("shapes")
    assert client.util_get_current_model() == model["title"]
    options = f"{server}/sdapi/v1/options"
    assert httpx.post(options, json={"samples_format": "png"}).json() is None
    assert refused(httpx.post(options, json={"samples_format": "gif"}), 400)
    assert "did you mean" in refused(httpx.post(options, json={"sd_model_checkpoint": "shape"}), 404)


def test_lists_that_clients_ask_for(client: webuiapi.WebUIApi, server: str) -> None:
    assert client.get_scripts() == {"txt2img": [], "img2img": []}
    assert client.get_upscalers() == client.get_loras() == client.get_sd_vae() == []
    assert client.get_memory()["ram"]["total"] > 0
    assert client.get_cmd_flags()["api"] is True
    assert client.refresh_checkpoints() is None
    assert {one["name"] for one in client.get_schedulers()} >= {"automatic", "karras"}


def test_progress_and_interrupt(client: webuiapi.WebUIApi) -> None:
    """A long request is seen, and ended from outside: it is answered with what was done."""
    assert client.get_progress()["state"]["job_count"] == 0
    answers: list[Any] = []
    long = threading.Thread(
        target=lambda: answers.append(client.txt2img(prompt="long", steps=250, n_iter=64))
    )
    long.start()
    told = wait_until(client.get_progress, lambda told: told["current_image"])
    assert 0 < told["progress"] < 1
    assert Image.open(io.BytesIO(base64.b64decode(told["current_image"]))).size == (16, 16)
    assert told["state"]["job_count"] == 64
    assert told["state"]["sampling_steps"] == 250
    assert client.interrupt() == {}
    long.join(timeout=60)
    assert len(answers[0].images) == len(answers[0].info["all_seeds"]) < 64
    assert client.get_progress()["progress"] == 0


def test_skip_goes_on_with_the_next(client: webuiapi.WebUIApi) -> None:
    answers: list[Any] = []
    long = threading.Thread(
        target=lambda: answers.append(
            client.txt2img(prompt="long", steps=250, n_iter=17, width=16, height=16)
        )
    )
    long.start()
    wait_until(client.get_progress, lambda told: told["progress"] > 0)
    client.skip()
    long.join(timeout=60)
    assert 0 < len(answers[0].images) < 17


def wait_until(ask: Callable[[], Any], right: Callable[[Any], bool]) -> Any:
    until = time.monotonic() + 30
    while not right(told := ask()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return told
