"""The verb that serves: what it refuses, each in a sentence."""

import json
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from rhinoise.server.logs import Lines

BAD = {
    "--api-key-file TMP/none": "none cannot be read: No such file or directory",
    "--api-key-file TMP": "cannot be read: Is a directory",
    "--api-key-file TMP/empty": "empty is empty: write a key",
    "--api-key-file TMP/short": "has 5 letters, wanted 16 or more",
    "--api-key-file TMP/words": "more than one word of ASCII letters",
    "--host 0.0.0.0": "is reached by other machines",
    "--host nowhere.invalid --api-key-file TMP/key": "--host nowhere.invalid is no address",
    "--host 192.0.2.1 --api-key-file TMP/key": "is not an address of this machine",
    "--port TAKEN": "is taken: choose another --port",
    "--device gpu": "--device gpu is no device, wanted cpu, mps or cuda:NUMBER",
    "--model TMP/none": "there is no model",
    "--pictures TMP/none": "there is no folder of pictures",
    "--pictures TMP/one/same --pictures TMP/two/same": "two of --pictures are called same",
}


@pytest.mark.parametrize("words", BAD)
def test_what_it_refuses_is_one_sentence(words: str, cli: Callable, tmp_path: Path) -> None:
    for name, text in {
        "empty": "\n",
        "short": "12345",
        "words": "a long key " * 4,
        "key": "0123456789abcdef",
    }.items():
        (tmp_path / name).write_text(text)
    for name in ("one/same", "two/same"):
        (tmp_path / name).mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = words.replace("TMP", str(tmp_path)).replace("TAKEN", str(taken.getsockname()[1]))
        result = cli("serve", "--data", tmp_path / "data", *given.split())
    assert result.exit_code == 2, (result.stdout, result.stderr, result.exception)
    assert BAD[words] in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_line_of_the_log_is_json() -> None:
    try:
        raise ValueError("of mine")
    except ValueError as error:
        trouble = (type(error), error, error.__traceback__)
    record = logging.makeLogRecord(
        {
            "name": "rhinoise",
            "levelname": "INFO",
            "msg": "a %s",
            "args": ("word",),
            "exc_info": trouble,
            "job": "7",
        }
    )
    told = json.loads(Lines().format(record))
    assert {"level": "info", "from": "rhinoise", "message": "a word", "job": "7"}.items() <= told.items()
    assert "ValueError: of mine" in told["traceback"]
