"""The server of fakesnow, run in its own environment, with what it sends of timestamps that are null mended."""

from __future__ import annotations

import sys
from typing import Any

import fakesnow.arrow
import pyarrow as pa
import uvicorn

usual = fakesnow.arrow.timestamp_to_sf_struct


def with_nulls(times: Any) -> Any:
    if isinstance(times, pa.ChunkedArray):
        times = times.combine_chunks()
    made = usual(times.cast(pa.timestamp("us", times.type.tz)))
    return pa.StructArray.from_arrays(made.flatten(), fields=[*made.type], mask=times.is_null())


fakesnow.arrow.timestamp_to_sf_struct = with_nulls

if __name__ == "__main__":
    uvicorn.run("fakesnow.server:app", port=int(sys.argv[1]), log_level="warning")
