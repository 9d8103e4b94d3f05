from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True, scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests of a module share is made with a cache of the module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RHINOISE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept in the person's own cache."""
    monkeypatch.setenv("RHINOISE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def visiting(browser: Any) -> Callable[..., AbstractContextManager[Any]]:
    """(file, width, scheme) => that page, opened; it asks for nothing, and says nothing on the console."""

    @contextmanager
    def visit(file: Path, width: int = 1280, scheme: str = "light") -> Iterator[Any]:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        trouble: list[str] = []

        def asked(request: Any) -> None:
            if not request.url.startswith(("file:", "data:")):
                trouble.append(request.url)

        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", asked)
        page.goto(file.as_uri())
        yield page
        page.close()
        assert trouble == []

    return visit
