"""A process that is asked questions: one JSON object a line, there and back.

What is measured runs in processes of its own, ours and the peers': each with its own packages and its own
memory settings, all alive at once and asked in turn, so that whatever slows the machine slows them all. Only
the standard library is imported here, for it runs in both environments.

    with Child("bench.peers.diffusers", python=peers_python()) as peer:
        peer.ask("unet_steps", steps=4)["seconds"]
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOGS = Path(__file__).parent / ".logs"
"""What the children write to stderr."""


class ChildError(Exception):
    """A child failed; its text is the child's own traceback, or where its stderr is."""


class Child:
    """A module that calls `serve`, running. Use it in a `with`, which ends it."""

    def __init__(
        self,
        module: str,
        *,
        python: Path | str = sys.executable,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        LOGS.mkdir(exist_ok=True)
        self.log = LOGS / f"{module}.log"
        # As many threads as there are cores, whatever the shell says: torch counts them the same way.
        cores = str(os.cpu_count())
        settings = {"OMP_NUM_THREADS": cores, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        with self.log.open("a") as stderr:
            self.process = subprocess.Popen(
                [str(python), "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=ROOT,
                env=os.environ | settings | dict(environment or {}),
            )

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *error: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def ask(self, verb: str, **values: Any) -> Any:
        """What the child's function of this name returns for these plain values."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"verb": verb, "values": values}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ChildError(f"the child ended before it answered '{verb}': see {self.log}")
        answer = json.loads(line)
        if "error" in answer:
            raise ChildError(answer["error"])
        return answer["answer"]


def serve(verbs: Mapping[str, Callable[..., Any]]) -> None:
    """Answer the questions on stdin until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"answer": verbs[asked["verb"]](**asked["values"])}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)
