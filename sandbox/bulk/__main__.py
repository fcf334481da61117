"""Serve a bulk account, which the benchmarks do: `python -m sandbox.bulk --events 1000000 --profiles 100000`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from sandbox.bulk import bulk
from sandbox.server import bound, serve
from sandbox.settings import Settings


def main() -> None:
    options = _parser().parse_args()
    until = datetime.fromisoformat(options.until).replace(tzinfo=UTC) if options.until else None
    settings = Settings(limits=options.limits, latency=options.latency, gzip=options.gzip == "on")
    at = bound(options.host, options.port)
    serve(bulk(options.events, options.profiles, until), at, settings, tls=options.tls)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.bulk", description="A local Klaviyo of any size.")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--until", metavar="DATE", help="the end of the account's year (UTC); today's midnight")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--limits", choices=("strict", "scaled", "off"), default="strict")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--gzip", choices=("on", "off"), default="on")
    parser.add_argument("--tls", metavar="FILE", help="a key and its certificate (PEM), to serve over TLS")
    return parser


if __name__ == "__main__":
    main()
