"""What a foreign API can ask for and we cannot do: passed over where nothing is lost by it, else refused.

Each API has a table: the name of a parameter => the values at which nothing is lost.
"""

import json
from collections.abc import Container, Mapping
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, model_validator

from rhinoise.core.errors import ConfigError

HEADER = "X-Rhinoise-Ignored"
"""The names of what was passed over."""
HEADER_LENGTH = 2000
Harmless = Mapping[str, Container[Any]]
"""The table."""
EMPTY: tuple[Any, ...] = ("", 0, [], {})
"""What says nothing, whatever the parameter."""


class _Anything:
    """Contains every value."""

    def __contains__(self, value: object) -> bool:
        return True


ANYTHING = _Anything()
"""For what matters only together with something that is refused, or does not change pictures."""


class Foreign(BaseModel):
    """A request of a foreign API: what it has no field for is kept, to be told of."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _is_unicode(self) -> "Foreign":
        """JSON can hold halves of characters; fields of text refuse them themselves."""
        try:
            json.dumps(self.model_extra, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("there is half a character in it (a lone surrogate)") from None
        return self


def passed_over(given: Mapping[str, Any], harmless: Harmless) -> list[str]:
    """The names of what was given; ConfigError where one asks for something.

    Args:
        given: the parameters that have no counterpart.
        harmless: the table; what it does not hold may be EMPTY.
    """
    for name, value in given.items():
        if value is not None and value not in harmless.get(name, EMPTY):
            raise ConfigError(f"{name[:100]} has no counterpart here: leave it out")
    return list(given)


def ignored_header(names: list[str]) -> dict[str, str]:
    """As a header, if there are any."""
    return {HEADER: ", ".join(map(quote, names))[:HEADER_LENGTH]} if names else {}
