"""Tables on stdout."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table


def print_table(title: str, rows: Iterable[Sequence[str]]) -> None:
    """Rows under a title: the first column as it is, the others wrapped to the terminal's width."""
    console = Console(markup=False, highlight=False)
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None)
    table.add_column(no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print()
