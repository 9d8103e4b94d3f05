"""The queue on disk: a SQLite file in WAL mode, a row per job. A job accepted is a row committed."""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from rhinoise.core.errors import ConfigError

State = Literal["waiting", "running", "paused", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")
OPEN: tuple[State, ...] = ("waiting", "running", "paused")

_TABLE = """
create table if not exists jobs (
    id text primary key, kind text not null, request text not null, state text not null,
    created real not null, started real, ended real, losses integer not null default 0,
    error text, sort text, result text, source text not null default '', stopping text
);
create index if not exists by_state on jobs (state, created);
"""
_FIELDS = "id, kind, request, state, created, started, ended, losses, error, sort, result, source, stopping"
_JSON = ("request", "result")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A row: what was asked for, where it stands, and what came of it."""

    id: str
    kind: str
    """One of KINDS."""
    request: Mapping[str, Any]
    state: State
    created: float
    """Seconds since 1970, as the other times."""
    started: float | None
    ended: float | None
    losses: int
    """How often in a row its worker, or the server, ended while at it."""
    error: str | None
    """Why it failed, a sentence."""
    sort: str | None
    """The name of the error's class; None: a fault of the program's."""
    result: Mapping[str, Any] | None
    source: str
    """Which interface asked."""
    stopping: State | None = None
    """What it becomes as soon as it has stopped, as it was told to."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED


class Store:
    """The jobs, in the order in which they came."""

    def __init__(self, file: Path) -> None:
        """Open or make the file; what runs in it was lost by a server that was killed (see `put_back`).

        ConfigError where it is something else than a queue.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.connection.row_factory = sqlite3.Row
        try:
            self.connection.execute("pragma journal_mode = wal")
            self.connection.execute("pragma synchronous = full")
            self.connection.executescript(_TABLE)
            self.put_back(lost=True)
        except sqlite3.DatabaseError as error:
            self.connection.close()
            raise ConfigError(f"{file} is not a queue of jobs ({error}): move it away") from None

    def close(self) -> None:
        """Let go of the file; what runs waits for the next start."""
        with suppress(sqlite3.Error):  # a full disk, say: then it counts as lost
            self.put_back(lost=False)
        self.connection.close()

    def put_back(self, *, lost: bool) -> None:
        """What runs waits again, or is what it was told to become; `lost` is counted as a loss of each."""
        self.connection.execute(
            "update jobs set state = coalesce(stopping, 'waiting'), stopping = null, losses = losses + ?, "
            f"ended = case when stopping in ({_marks(list(ENDED))}) then ? end where state = 'running'",
            (int(lost), *ENDED, time.time()),
        )

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is done within is done as one, or not at all."""
        self.connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            if self.connection.in_transaction:  # a full disk has ended it already
                self.connection.execute("rollback")
            raise
        self.connection.execute("commit")

    def add(self, id: str, kind: str, request: Mapping[str, Any], source: str) -> Job:
        """Accept a job."""
        self.connection.execute(
            "insert into jobs (id, kind, request, state, created, source) values (?, ?, ?, 'waiting', ?, ?)",
            (id, kind, json.dumps(request), time.time(), source),
        )
        return self.get(id)

    def get(self, id: str) -> Job:
        """KeyError where there is none."""
        row = self.connection.execute(f"select {_FIELDS} from jobs where id = ?", (id,)).fetchone()
        if row is None:
            raise KeyError(id)
        return _job(row)

    def set(self, id: str, **values: Any) -> Job:
        """Change a job's fields."""
        columns = ", ".join(f"{name} = ?" for name in values)
        kept = [json.dumps(value) if name in _JSON else value for name, value in values.items()]
        self.connection.execute(f"update jobs set {columns} where id = ?", (*kept, id))
        return self.get(id)

    def select(
        self,
        states: Iterable[State] = STATES,
        kinds: Iterable[str] = (),
        *,
        newest_first: bool = False,
        most: int = -1,
    ) -> list[Job]:
        """Jobs in these states, of these kinds (none: of all)."""
        states, kinds = list(states), list(kinds)
        where = f"state in ({_marks(states)})" + (f" and kind in ({_marks(kinds)})" if kinds else "")
        order = "desc" if newest_first else "asc"
        rows = self.connection.execute(
            f"select {_FIELDS} from jobs where {where} order by created {order}, rowid {order} limit ?",
            (*states, *kinds, most),
        )
        return [_job(row) for row in rows]

    def count(self, states: Iterable[State]) -> int:
        """How many are in these states."""
        states = list(states)
        found = self.connection.execute(
            f"select count(*) from jobs where state in ({_marks(states)})", states
        )
        return int(found.fetchone()[0])

    def beyond(self, kept: int, kinds: Iterable[str]) -> list[str]:
        """The ids of ended jobs of these kinds, without the `kept` that ended last."""
        kinds = list(kinds)
        rows = self.connection.execute(
            f"select id from jobs where state in ({_marks(list(ENDED))}) and kind in ({_marks(kinds)}) "
            "order by ended desc, rowid desc limit -1 offset ?",
            (*ENDED, *kinds, kept),
        )
        return [row["id"] for row in rows]

    def sources(self) -> list[str]:
        """What pictures jobs are of, each once."""
        rows = self.connection.execute("select distinct json_extract(request, '$.source') from jobs")
        return [source for (source,) in rows if source is not None]

    def forget(self, id: str) -> None:
        """Take a job out."""
        self.connection.execute("delete from jobs where id = ?", (id,))

    def tally(self) -> dict[tuple[str, State], int]:
        """How many there are of each kind in each state."""
        rows = self.connection.execute("select kind, state, count(*) from jobs group by kind, state")
        return {(kind, state): number for kind, state, number in rows}


def _marks(values: list[Any]) -> str:
    return ", ".join("?" * len(values))


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    return Job(**{name: _read(name, value) for name, value in values.items()})


def _read(name: str, value: Any) -> Any:
    return json.loads(value) if name in _JSON and value is not None else value
