"""Who may ask: the key, other sites, names that were made to mean this machine, and how much is sent."""

import base64
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from rhinoise.server.settings import Limits

KEY = "a-key-that-is-long-enough"
ASK = {"kind": "generate", "prompt": "a red circle"}


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"Authorization": f"bearer {KEY}"}, 200),
        (basic(KEY), 200),
        ({"Authorization": f"Bearer {KEY}x"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": f"Digest {KEY}"}, 401),
        ({"Authorization": KEY}, 401),
        (basic("another"), 401),
        ({"Authorization": "Basic not base64"}, 401),
        ({"Authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()}, 401),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/jobs", "/docs", "/openapi.json", "/metrics"])
def test_a_key_opens_everything_and_nothing_else_does(
    asking: Callable[..., TestClient], headers: dict[str, str], status: int, path: str
) -> None:
    answer = asking(api_key=KEY).get(path, headers=headers)
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_whether_it_is_up_is_told_to_everyone(asking: Callable[..., TestClient]) -> None:
    client = asking(api_key=KEY)
    assert client.get("/health").json() == {"status": "up"}
    assert client.get("/ready").status_code == 503


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}, 202),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://127.0.0.1:81"}, 403),
    ],
)
def test_posts_of_other_sites_are_refused(
    asking: Callable[..., TestClient], headers: dict[str, str], status: int
) -> None:
    assert asking().post("/api/v1/jobs", json=ASK, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost:7860", 200),
        ("[::1]:7860", 200),
        ("evil.example", 403),
        ("evil.example:7860", 403),
        ("127.0.0.1.evil.example", 403),
        ("", 403),
    ],
)
def test_without_a_key_only_this_machines_names_are_answered(
    asking: Callable[..., TestClient], host: str, status: int
) -> None:
    """Else a page could have its own name mean 127.0.0.1, and would be of the same site as this server."""
    assert asking().get("/api/v1/jobs", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Origin": "http://evil.example"}, 403),
    ],
)
def test_other_sites_may_link_here_and_no_more(
    asking: Callable[..., TestClient], headers: dict[str, str], status: int
) -> None:
    assert asking().get("/config", headers=headers).status_code == status


@pytest.mark.parametrize("path", ["/config", "/theme.css", "/api/v1/jobs"])
@pytest.mark.parametrize("origin", ["http://127.0.0.1", "http://evil.example"])
def test_nothing_allows_other_sites_to_read(
    asking: Callable[..., TestClient], path: str, origin: str
) -> None:
    """Gradio's own routes would, with credentials."""
    answer = asking().get(path, headers={"Origin": origin})
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "path",
    [
        "file=http://evil.example/x",
        "file=https://evil.example/x",
        "file=HTTP://evil.example/x",
        "file=%68ttp%3A//evil.example/x",
        "file%3Dhttp://evil.example/x",
        "file/http://evil.example/x",
        "proxy=http://evil.example/x",
    ],
)
def test_no_page_of_another_host_is_fetched(asking: Callable[..., TestClient], path: str) -> None:
    answer = asking().get(f"/gradio_api/{path}")
    assert (answer.status_code, answer.json()) == (
        403,
        {"error": "this server fetches nothing from elsewhere"},
    )


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/api/v1/jobs", "application/json", 413),
        ("/api/v1/jobs", "multipart/form-data; boundary=x", 413),
        ("/v1/images/generations", "application/json", 413),
        ("/api/v1/uploads", "application/x-www-form-urlencoded", 413),
        ("/api/v1/uploads", "multipart/form-data; boundary=x", 400),
        ("/sdapi/v1/txt2img", "application/json", 422),
    ],
)
def test_only_what_takes_pictures_takes_much(
    asking: Callable[..., TestClient], path: str, kind: str, status: int
) -> None:
    answer = asking().post(path, content=b" " * (2**20 + 1), headers={"Content-Type": kind})
    assert answer.status_code == status


def test_what_is_too_much_is_not_read(asking: Callable[..., TestClient]) -> None:
    client = asking(limits=Limits(body_bytes=1000))
    assert client.post("/sdapi/v1/txt2img", content=b"x" * 1001).status_code == 413

    def without_length() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    answer = client.post("/sdapi/v1/txt2img", content=without_length())
    assert answer.status_code == 413
    assert "more than" in answer.json()["detail"]
