"""What can happen to an account after it was read: each change by name, with its arguments as a table of fields."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sandbox.account import Account
from sandbox.changes.change import Summary, run
from sandbox.changes.events import AddEvents, AttachAttribution, LateEvents
from sandbox.changes.objects import Add, Archive, Delete, Edit, Rename, Tag, Untag
from sandbox.changes.people import DeleteProfile, JoinList, LeaveList, MergeProfiles, RecomputeSegment, UpdateProfile

CHANGES: dict[str, Callable[[Account, dict[str, Any]], Summary]] = {
    change.command: partial(run, change)
    for change in (
        AddEvents,
        LateEvents,
        AttachAttribution,
        UpdateProfile,
        MergeProfiles,
        DeleteProfile,
        JoinList,
        LeaveList,
        RecomputeSegment,
        Rename,
        Edit,
        Archive,
        Delete,
        Add,
        Tag,
        Untag,
    )
}
