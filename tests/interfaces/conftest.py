from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept in the person's own cache."""
    monkeypatch.setenv("RHINOISE_CACHE", str(tmp_path / "cache"))
