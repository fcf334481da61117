"""The command line, killed just before one of its statements that write: `python -m benchmarks.struck 12 run`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any, Final

from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

from pipelines.cli import main
from sources.klaviyo.limits import Window
from tests.unpaced import unpaced

READS: Final = ("SELECT", "SET", "DESCRIBE", "SHOW", "BEGIN")


class Countdown:
    """Of what writes, whichever thread it comes from."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.lock = threading.Lock()

    def step(self) -> None:
        with self.lock:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


def strike(before: int) -> None:
    """Kill this process before so-manieth statement that writes, commits among them."""
    countdown = Countdown(before)
    execute, commit = DuckDbSqlClient.execute_query, DuckDbSqlClient.commit_transaction

    def executed(client: DuckDbSqlClient, query: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on
        if not str(query).lstrip().upper().startswith(READS):
            countdown.step()
        return execute(client, query, *arguments, **named)

    def committed(client: DuckDbSqlClient) -> None:
        countdown.step()
        commit(client)

    DuckDbSqlClient.execute_query = executed  # type: ignore[assignment, method-assign]  # in this process only
    DuckDbSqlClient.commit_transaction = committed  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    Window.free_at = unpaced  # type: ignore[assignment, method-assign]  # in this process only
    strike(int(sys.argv.pop(1)))
    main()
