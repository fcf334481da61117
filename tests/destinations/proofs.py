"""What the suite has proven of each destination: `results.json`, and the table in `docs/destinations.md` made from it.

Run: uv run python -m tests.destinations.proofs
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

from filelock import FileLock

from tests.destinations.story import STEPS, Story

RESULTS: Final = Path(__file__).with_name("results.json")
PAGE: Final = Path(__file__).parents[2] / "docs" / "destinations.md"
BEGIN: Final = "<!-- proofs: written by `uv run python -m tests.destinations.proofs` -->\n"
END: Final = "<!-- end of proofs -->"
NEVER: Final = "never run"
STORY: Final = {step: str(step.__doc__).removesuffix(".") for step in STEPS}
MODELS: Final = "Models (dbt): every one built and tested, every row and value"
INCREMENTAL_MODELS: Final = (
    "Models that are kept: a later build changes what is otherwise, a full refresh makes the same"
)
FEATURES: Final = (*STORY.values(), MODELS, INCREMENTAL_MODELS)


def prove(story: Story, how: str, by: str, *, record: bool) -> None:
    """Let everything happen that is to be proven, and note what was, if asked to. What fails is not noted."""
    proven: list[str] = []
    try:
        for step in STEPS:
            step(story)
            proven.append(STORY[step])
    finally:
        note(story.name, how, by, proven, of=[*STORY.values()], record=record)


def note(name: str, how: str, by: str, proven: Sequence[str], *, record: bool, of: Sequence[str] = ()) -> None:
    """Note what has been proven of a destination, if asked to; what else there is `of` that has not been."""
    if not record:
        return
    with FileLock(Path(gettempdir()) / "klaviyo-etl-results.lock"):
        results = read()
        known = {*results.get(name, {"proven": ()})["proven"]} - {*of} | {*proven}
        results[name] = {"how": how, "by": by, "proven": [feature for feature in FEATURES if feature in known]}
        RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=2) + "\n")


def read() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def table() -> str:
    results = read()
    names = sorted(results)
    lines = [
        f"| | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        f"| by | {' | '.join(results[name]['by'] for name in names)} |",
        *(f"| {feature} | {' | '.join(label(results[name], feature) for name in names)} |" for feature in FEATURES),
    ]
    return "\n".join(lines) + "\n"


def label(result: dict[str, Any], feature: str) -> str:
    return str(result["how"]) if feature in result["proven"] else NEVER


def page() -> str:
    """The page, with the table as the results have it."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page())
