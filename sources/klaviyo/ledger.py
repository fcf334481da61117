"""What has been read, kept in dlt's state of a resource: dlt commits it together with the rows."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

from pendulum import DateTime

from sources.klaviyo.spec import Resource
from sources.klaviyo.windows import BEGINNING, Window, gaps, moment, stamp, union

State = dict[str, Any]


class Ledger:
    """The windows read of the resources of one walk, by its cursor; and those of its first load, by another field."""

    def __init__(self, current_state: Callable[[], State], resources: Sequence[Resource]) -> None:
        self.current_state = current_state
        self.resources = resources

    @property
    def state(self) -> State:
        """Asked for each time: dlt begins each load package with a state of its own."""
        return self.current_state()

    def read(self, resource: Resource) -> list[Window]:
        return windows(self.state.get("windows_read", {}).get(resource.name, ()))

    def add(self, read: Iterable[Window], _parent: str = "") -> None:
        read = [*read]
        noted = self.state.setdefault("windows_read", {})
        for resource in self.resources:
            noted[resource.name] = spelled(union([*self.read(resource), *read]))

    # --- what is read again ------------------------------------------------------------------------------------------

    @property
    def reread(self) -> dict[str, DateTime]:
        """Up to when each tier has read all resources again."""
        noted = [self.state.get("reread", {}).get(resource.name, {}) for resource in self.resources]
        return {tier: min(moment(of[tier]) for of in noted) for tier in noted[0] if all(tier in of for of in noted)}

    def add_reread(self, due: Mapping[str, Window], read: Iterable[Window], _parent: str = "") -> None:
        """Note what has been read, and which tiers are done with it."""
        read = [*read]
        self.add(read)
        if done := {tier: stamp(window.end) for tier, window in due.items() if not gaps(window, read)}:
            noted = self.state.setdefault("reread", {})
            for resource in self.resources:
                noted[resource.name] = noted.get(resource.name, {}) | done

    # --- what each parent holds ------------------------------------------------------------------------------------

    def read_of(self, parent: str) -> list[Window]:
        """By the cursor, of what a parent holds."""
        return windows(self.state.get("windows_read_of", {}).get(parent, ()))

    def add_of(self, read: Iterable[Window], parent: str) -> None:
        noted = self.state.setdefault("windows_read_of", {})
        noted[parent] = spelled(union([*self.read_of(parent), *read]))

    def forget_parents_but(self, parents: Container[str]) -> None:
        noted = self.state.get("windows_read_of", {})
        for gone in [parent for parent in noted if parent not in parents]:
            del noted[gone]

    @property
    def visited(self) -> DateTime | None:
        """When parents that had changed were visited last."""
        return self.visit("changed")

    @property
    def all_visited(self) -> DateTime | None:
        """When all parents were visited last."""
        return self.visit("all")

    def visit(self, which: str) -> DateTime | None:
        noted = self.state.get("parents_visited", {}).get(which)
        return moment(noted) if noted else None

    def add_visit(self, at: DateTime, *, of_all: bool) -> None:
        noted = self.state.setdefault("parents_visited", {})
        noted |= {"changed": stamp(at)} | ({"all": stamp(at)} if of_all else {})

    # --- what is read whole ----------------------------------------------------------------------------------------

    @property
    def whole(self) -> str | None:
        """What the collection came to when it was loaded last."""
        noted: str | None = self.state.get("whole")
        return noted

    def note_whole(self, whole: str | None) -> None:
        self.state["whole"] = whole

    @property
    def alike(self) -> bool:
        """Whether the same has been read of all: only then are rows of one not missing beside known rows of another."""
        return all(self.read(resource) == self.read(self.resources[0]) for resource in self.resources)

    @property
    def untouched(self) -> bool:
        """Whether nothing has been read yet by the cursor."""
        return not any(map(self.read, self.resources))

    @property
    def also_read(self) -> DateTime:
        """Up to when the other times of change have been asked for, of all resources."""
        noted = self.state.get("also_read", {})
        return min(moment(noted[one.name]) if one.name in noted else BEGINNING for one in self.resources)

    def add_also(self, until: DateTime) -> None:
        noted = self.state.setdefault("also_read", {})
        noted |= {resource.name: stamp(until) for resource in self.resources}

    # --- the first load, by a field that does not move -------------------------------------------------------------

    def first_load(self, within: Window) -> list[Window]:
        """What is still to be read of the first load, which covers what its first run found."""
        noted = self.state.setdefault("first_load", {"until": stamp(within.end), "windows_read": []})
        return gaps(self.whole_first_load, windows(noted["windows_read"]))

    @property
    def whole_first_load(self) -> Window:
        return Window(BEGINNING, moment(self.state["first_load"]["until"]))

    def add_first_load(self, read: Iterable[Window], _parent: str = "") -> None:
        """Note a part of the first load. With its last part, all changes before its first run have been read.

        A walk whose last page fills a package notes its end again with the next one; by then that is said already.
        """
        if not self.untouched:
            return
        noted = self.state["first_load"]
        noted["windows_read"] = spelled(union([*windows(noted["windows_read"]), *read]))
        whole = self.whole_first_load
        if not gaps(whole, windows(noted["windows_read"])):
            del self.state["first_load"]
            self.add([whole])
            self.add_also(whole.end)


def windows(spelling: Iterable[Sequence[str]]) -> list[Window]:
    return [Window(moment(start), moment(end)) for start, end in spelling]


def spelled(read: Iterable[Window]) -> list[list[str]]:
    return [[stamp(window.start), stamp(window.end)] for window in read]
