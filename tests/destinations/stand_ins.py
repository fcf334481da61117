"""What stands in for destinations that cannot run here: each a process of its own, in an environment of its own, or PostgreSQL in disguise."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psycopg2
import pytest
from dlt.common.destination import DestinationCapabilitiesContext

from pipelines.destinations import kind_of

ROOT: Final = Path(__file__).parents[2]
ENVIRONMENTS: Final = ROOT / ".destinations"
PROJECT: Final = "shop"


def program(environment: str, name: str) -> Path:
    """A program of an environment that `make destinations` makes; without it the test is skipped."""
    found = ENVIRONMENTS / environment / "bin" / name
    if not found.exists():
        pytest.skip(f"no {name} in .destinations/{environment}: `make destinations` makes it")
    return found


def limit(name: str, monkeypatch: pytest.MonkeyPatch, **capabilities: object) -> None:
    """Let dlt know what a stand-in cannot do."""
    factory = kind_of(name).factory
    usual = factory._raw_capabilities

    def limited(self: Any) -> DestinationCapabilitiesContext:
        found: DestinationCapabilitiesContext = usual(self)
        found.update(capabilities)
        return found

    monkeypatch.setattr(factory, "_raw_capabilities", limited)


# --- BigQuery ----------------------------------------------------------------------------------------------------------


@contextmanager
def bigquery(folder: Path, port: int) -> Iterator[dict[str, str]]:
    """Bqemulator. It swallows errors inside of scripts: only what tables then hold proves anything."""
    command = [
        str(program("bigquery-server", "python")), str(Path(__file__).parent / "bqemulator_server.py"), "start", "--rest-port", str(port), "--grpc-port", "0",
        "--project", PROJECT, "--ephemeral", "--log-level", "error",
    ]  # fmt: skip
    home = {**os.environ, "HOME": str(ENVIRONMENTS / "bigquery-server")}
    with (folder / "log").open("wb") as log, tokens() as token_uri:
        server = subprocess.Popen(command, env=home, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/bigquery/v2/projects/{PROJECT}/datasets", server)
            yield {
                "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{port}",
                "DESTINATION__BIGQUERY__CREDENTIALS": json.dumps(account(folder, token_uri)),
            }
        finally:
            server.terminate()
            server.wait(30)


def account(folder: Path, token_uri: str) -> dict[str, str]:
    """A service account with a key of its own."""
    key = folder / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "client_email": f"tests@{PROJECT}.invalid",
        "private_key": key.read_text(),
        "token_uri": token_uri,
    }


@contextmanager
def tokens() -> Iterator[str]:
    """Gives a token to whoever asks, as Google does to service accounts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"access_token": "token", "token_type": "Bearer", "expires_in": 3600}')

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None, "the server ended"
        try:
            urlopen(address, timeout=5).close()  # noqa: S310 - our own
        except HTTPError:
            return
        except URLError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(address)


# --- Redshift ----------------------------------------------------------------------------------------------------------

AS_REDSHIFT: Final = (
    "ALTER DATABASE {database} SET standard_conforming_strings = off",
    "ALTER DATABASE {database} SET escape_string_warning = off",
    "ALTER DATABASE {database} SET backslash_quote = on",
)


def redshift(url: str) -> dict[str, str]:
    """PostgreSQL, in which a backslash escapes as in Redshift. What only Redshift refuses, it does not."""
    with closing(psycopg2.connect(url)) as server, server.cursor() as cursor:
        server.autocommit = True
        for statement in AS_REDSHIFT:
            cursor.execute(statement.format(database=url.rsplit("/", 1)[1]))
    return {"DESTINATION__REDSHIFT__CREDENTIALS": url}


# --- Snowflake ---------------------------------------------------------------------------------------------------------


@contextmanager
def snowflake(folder: Path, port: int) -> Iterator[dict[str, str]]:
    """The server of fakesnow."""
    server_program = Path(__file__).parent / "fakesnow_server.py"
    command = [str(program("snowflake-server", "python")), str(server_program), str(port)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            wait_for(f"http://127.0.0.1:{port}/session/heartbeat", server)
            # Errors of the server are asked for again for ten minutes otherwise.
            options = f"host=127.0.0.1&port={port}&protocol=http&warehouse=SMALL&role=SYSADMIN&network_timeout=5"
            yield {"DESTINATION__SNOWFLAKE__CREDENTIALS": f"snowflake://tests:secret@fakesnow/{PROJECT}?{options}"}
        finally:
            server.terminate()
            server.wait(30)


STAGE: Final = re.compile(r"""'@([^']*)'""")


def as_fakesnow_reads_it(statement: str) -> str:
    """PUT and COPY in the one spelling that it knows: that of dlt's is proven by nothing here.

    In a MERGE it takes a column of the target that is assigned as it is for the one of the source.
    """
    if statement.lstrip().startswith("MERGE "):
        statement = re.sub(r'= (d\."\w+")', r"= coalesce(\1)", statement)
    if statement.lstrip().startswith(("PUT ", "COPY ")):
        statement = STAGE.sub(lambda found: "@" + found[1].replace('"', ""), statement)
        statement = re.sub(r"FILE_FORMAT = \(TYPE = 'PARQUET'[^)]*\)", "FILE_FORMAT = (TYPE = 'PARQUET')", statement)
        statement = re.sub(r"MATCH_BY_COLUMN_NAME='(\w+)'", r"MATCH_BY_COLUMN_NAME=\1", statement)
        statement = statement.replace("OVERWRITE = TRUE, ", "OVERWRITE = TRUE ")
    return statement
