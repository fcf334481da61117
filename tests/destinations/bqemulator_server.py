"""The server of bqemulator, run in its own environment, with statements respelled where it misreads BigQuery's SQL."""

from __future__ import annotations

import re
from typing import Any

from bqemulator.cli import main
from bqemulator.domain.result import Ok
from bqemulator.sql.translator import SQLTranslator

translated = SQLTranslator.translate


def as_it_reads_it(statement: str) -> str:
    """In other words of BigQuery's that mean the same."""
    # An apostrophe in a comment would begin a text.
    statement = re.sub(
        r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|--[^\n]*|/\*.*?\*/""", r"\1", statement, flags=re.DOTALL
    )
    # Of a text it is a text: here it would be JSON, with which no text can be compared.
    statement = re.sub(
        r"(?i)\bjson_query(\((?:[^()']|'(?:\\.|[^'\\])*')*\))", r"cast(json_query\1 as string)", statement
    )
    # Where a statement divides, the zone would be a time that is added to a day.
    statement = re.sub(
        r"(?i)\bextract\(hour from (\S+) at time zone (\S+)\)", r"extract(hour from time(\1, \2))", statement
    )
    # What is not said to be a whole number is counted from another end of the first item at times.
    return re.sub(r"(?i)\[safe_(offset|ordinal)\((.+?)\)\]", r"[safe_\1(cast(\2 as int64))]", statement)


def with_its_digits(statement: str) -> str:
    """A NUMERIC has 38 digits, nine of them behind the point: here it would have three of 18."""
    return re.sub(r"\bAS DECIMAL(\(18, 3\))?\)", "AS DECIMAL(38, 9))", statement)


def translate(self: SQLTranslator, bq_sql: str, **more: Any) -> Any:
    done = translated(self, as_it_reads_it(bq_sql), **more)
    return Ok(with_its_digits(done.value)) if isinstance(done, Ok) else done


SQLTranslator.translate = translate

if __name__ == "__main__":
    main()
