"""The sandbox that all systems read: a process of its own, told what to be over HTTP."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.request import Request, urlopen

from benchmarks.usage import cpu_seconds

ROOT: Final = Path(__file__).parents[1]
PATIENCE: Final = 30.0


class Served:
    def __init__(self, arguments: dict[str, object], *, host: str, port: int, tls: Path | None = None) -> None:
        self.url = f"{'https' if tls else 'http'}://{host}:{port}"
        given = {**arguments, "host": host, "port": port, **({"tls": tls} if tls else {})}
        options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
        self._command = [sys.executable, "-m", "sandbox.bulk", *options]
        self._tls = ssl.create_default_context(cafile=tls) if tls else None
        if self._tls:
            self._tls.check_hostname = False  # we ask by address

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, cwd=ROOT)  # noqa: S603 - our own command
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._ask("GET", "account")
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self._process.kill()
                    raise
                time.sleep(0.05)
            else:
                return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()

    def set(self, **settings: object) -> None:
        """Change settings, and forget what has been asked and used of the limits."""
        self._ask("PUT", "settings", settings)
        self._ask("DELETE", "requests")

    def asked(self) -> Counter[int]:
        """Requests to the API by the status of their answers, since the last `set`."""
        return Counter(request["status"] for request in self._ask("GET", "requests"))

    @property
    def cpu(self) -> float:
        return cpu_seconds(self._process.pid)

    def _ask(self, method: str, lever: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/sandbox/{lever}", data, method=method)  # noqa: S310 - our own server
        with urlopen(request, context=self._tls) as answer:  # noqa: S310 - as above
            return json.load(answer)
