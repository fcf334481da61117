"""Settings that are looked up once.

For each client that dlt makes, it looks for each setting of the destination in every place where it may be: a third of a run with little to load.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from dlt.common.destination import Destination


class Settled(Destination[Any, Any]):
    """A destination whose settings stay what they were when they were first asked for."""

    @cached_property
    def settled(self) -> dict[str, Any]:
        """Configurations, by what they were made of. Nobody changes one."""
        return {}

    def configuration(self, initial_config: Any, accept_partial: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - dlt's signature
        given = dict(initial_config)
        # Those of a partial one are a stand-in, new each time; those of a whole one are the destination's own.
        credentials = given.pop("credentials", None)
        if credentials and not accept_partial:
            return super().configuration(initial_config, accept_partial)
        asked = f"{accept_partial} {given}"
        if asked not in self.settled:
            self.settled[asked] = super().configuration(initial_config, accept_partial)
        return self.settled[asked]
