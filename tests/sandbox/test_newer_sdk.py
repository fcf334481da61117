"""Klaviyo's own client of revision 2026-10-15 reads the sandbox, and knows the API as our contract does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.contract import Endpoint, load
from sandbox.query import _known
from sandbox.server import Sandbox
from tests.sandbox import reading

ROOT = Path(__file__).parents[2]
PINNED = Path(__file__).with_name("client-2026-10-15.txt")
OPERATIONS = {endpoint.facts.operation: endpoint for endpoint in reading.endpoints(load("2026-10-15"))}


@pytest.fixture(scope="module")
def client() -> Path:
    """The folder of the client, which is fetched once and kept."""
    folder = ROOT / ".clients" / PINNED.stem
    if not folder.exists():
        uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
            command = [uv, "pip", "install", "--target", fresh, "--no-deps", "--require-hashes", "-r", str(PINNED)]
            try:
                subprocess.run([*command, "--python", sys.executable], check=True, capture_output=True, timeout=120)
            except (OSError, subprocess.SubprocessError):
                pytest.skip("the newer client is not here, and could not be fetched from the package index")
            if not folder.exists():
                shutil.copytree(fresh, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def told(client: Path, sandbox: Sandbox) -> dict[str, Any]:
    path = os.pathsep.join([str(client), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "tests.sandbox.newer_client", sandbox.url],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_newer_client_understands_every_answer(told: dict[str, Any]) -> None:
    answered = {operation: one["refused"] for operation, one in told.items() if one["refused"] is not None}
    assert len(answered) > 150
    assert {"get_campaigns", "get_campaign_messages", "get_variations_for_campaign_message"} <= answered.keys()
    assert {operation: refused for operation, refused in answered.items() if refused} == {}


def test_the_newer_client_takes_the_parameters_of_our_contract(told: dict[str, Any]) -> None:
    ours = {operation: parameters(endpoint) for operation, endpoint in OPERATIONS.items()}
    # What it does is not published, so the contract leaves it out.
    ours["get_translation"].add("page_type")
    assert {operation: set(one["parameters"]) for operation, one in told.items()} == ours


def parameters(endpoint: Endpoint) -> set[str]:
    return {name.replace("[", "_").replace("]", "").replace("-", "_") for name in _known(endpoint)}


def test_the_newer_client_returns_the_objects_of_our_contract(told: dict[str, Any]) -> None:
    wrong = {}
    for operation, endpoint in OPERATIONS.items():
        one = told[operation]
        found = list(differences(endpoint.shape.attributes, one["attributes"] or {}))
        found += sorted(endpoint.shape.relationships.keys() ^ set(one["relationships"] or ()))
        if found:
            wrong[operation] = found
    assert wrong == {}


def differences(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """Names that only one side has, as deep as both know them."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        yield from (f"{place}{name}" for name in sorted(ours.keys() ^ theirs.keys()))
        for name in ours.keys() & theirs.keys():
            yield from differences(ours[name], theirs[name], f"{place}{name}.")
