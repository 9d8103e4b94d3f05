"""Tables on stdout."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from rhinoise.core.config import to_json


def print_table(title: str, rows: Iterable[Sequence[str]]) -> None:
    """Rows under a title: the first column as it is, the others wrapped to the terminal's width."""
    console = Console(markup=False, highlight=False)
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None)
    table.add_column(no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print()


def print_json(record: Any) -> None:
    """A record as JSON, for other programs."""
    print(json.dumps(to_json(record), indent=2, ensure_ascii=False))
