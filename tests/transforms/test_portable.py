"""What the models compile to for warehouses that they have not been run on: it parses there, and asks for nothing unknown.

`make dialects` makes the environment with the adapters; without it these tests are left out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import sqlglot
from sqlglot.tokenizer_core import Token, TokenType

from tests.transforms.build import PROJECT
from tests.transforms.raw import POSTGRES_NAMES, TABLES, columns

DBT: Final = Path(__file__).parents[2] / ".dialects" / "bin" / "dbt"

pytestmark = pytest.mark.skipif(not DBT.exists(), reason="no adapters in .dialects: `make dialects` installs them")

EVERYWHERE: Final = {
    "abs", "cast", "coalesce", "concat", "count", "exp", "extract", "first_value", "floor", "greatest", "lag",
    "last_value", "lead", "length", "lower", "max", "min", "mod", "nullif", "power", "rank", "replace", "round",
    "row_number", "sqrt", "sum", "trim", "upper",
}  # fmt: skip
OWN: Final = {
    "bigquery": {
        "current_timestamp", "date", "date_add", "date_diff", "json_query", "json_query_array", "json_value",
        "regexp_contains", "regexp_replace",
        "safe_cast", "safe_divide", "safe_offset", "safe_ordinal", "split", "string_agg", "strpos", "timestamp_diff",
        "timestamp_micros", "timestamp_trunc",
    },
    "snowflake": {
        "as_array", "as_object", "chr", "convert_timezone", "current_timestamp", "date_trunc", "dateadd", "datediff", "get",
        "hour",
        "listagg", "position", "regexp_like", "split_part", "to_date", "try_parse_json", "try_to_decimal", "try_to_double",
    },
    "redshift": {
        "convert_timezone", "date_trunc", "getdate", "json_extract_array_element_text", "json_extract_path_text",
        "listagg", "position",
        "split_part", "strpos",
    },
}  # fmt: skip
"""What the models may call, kept by hand: a function that is new here is to be looked up in the warehouse's reference."""

TYPES: Final = {
    # Types with digits or a length are for its columns: in a cast it refuses them.
    "bigquery": {"bigint", "boolean", "date", "float64", "int64", "numeric", "string", "timestamp"},
    "snowflake": {
        "bigint", "boolean", "date", "decimal(18, 4)", "double", "double precision", "integer", "number(38, 0)", "timestamp_tz",
        "varchar",
    },
    # A numeric has no decimals unless it says how many, a varchar 256 bytes.
    "redshift": {
        "bigint", "boolean", "date", "decimal(18, 4)", "double precision", "integer", "timestamp with time zone",
        "varchar(65535)",
    },
}  # fmt: skip
"""What they may cast to."""

WORDS: Final = {
    "all", "and", "as", "by", "case", "else", "exists", "filter", "from", "group", "having", "in", "intersect",
    "join", "not", "on", "or", "order", "over", "partition", "select", "then", "union", "using", "values", "when",
    "where", "with", "within",
}  # fmt: skip


def profiles(folder: Path) -> dict[str, Any]:
    """Warehouses that are nowhere. To compile takes a key that is one, and no answer."""
    key = folder / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    nobody = {"user": "nobody", "password": "none", "schema": "klaviyo"}
    account = {
        "type": "service_account",
        "project_id": "nowhere",
        "client_email": "nobody@nowhere.invalid",
        "private_key": key.read_text(),
        "token_uri": "https://nowhere.invalid",
    }
    return {
        "bigquery": {
            "method": "service-account-json", "project": "nowhere", "dataset": "klaviyo", "keyfile_json": account,
        },
        "snowflake": {**nobody, "account": "nowhere", "database": "nowhere", "warehouse": "nowhere"},
        "redshift": {**nobody, "host": "nowhere.invalid", "port": 9, "dbname": "nowhere"},
    }  # fmt: skip


@pytest.fixture(scope="module", params=OWN)
def warehouse(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def compiled(warehouse: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The statements of all models and tests, by name."""
    folder = tmp_path_factory.mktemp(warehouse)
    output = {"type": warehouse, "threads": 1, **profiles(folder)[warehouse]}
    told = {"klaviyo": {"target": warehouse, "outputs": {warehouse: output}}}
    (folder / "profiles.yml").write_text(json.dumps(told))
    places = {"project-dir": PROJECT, "profiles-dir": folder, "target-path": folder, "log-path": folder}
    arguments = [text for name, place in places.items() for text in (f"--{name}", str(place))]
    done = subprocess.run(
        [DBT, "--quiet", "--warn-error", "compile", "--no-introspect", "--no-populate-cache", *arguments],
        env={**os.environ, "KLAVIYO_FIVETRAN_COMPAT": "true", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    nodes = json.loads((folder / "manifest.json").read_text())["nodes"].values()
    return {one["name"]: one["compiled_code"] for one in nodes if one["resource_type"] in ("model", "test")}


def test_every_statement_parses_there(warehouse: str, compiled: dict[str, str]) -> None:
    models = {file.stem for file in (PROJECT / "models").rglob("*.sql")}
    assert models
    assert models <= compiled.keys()
    wrong = {}
    for name, code in compiled.items():
        try:
            sqlglot.parse_one(code, read=warehouse)
        except sqlglot.ParseError as error:
            wrong[name] = str(error)
        except sqlglot.TokenError as error:
            wrong[name] = str(error)
    assert wrong == {}


def test_every_function_is_one_that_is_known_there(warehouse: str, compiled: dict[str, str]) -> None:
    called = {
        name: {
            token.text.lower()
            for token, after in neighbours(code, warehouse)
            if after == TokenType.L_PAREN and is_name(token)
        }
        for name, code in compiled.items()
    }
    taken = EVERYWHERE | OWN[warehouse] | WORDS | {"decimal", "varchar", "number"}
    unknown = {name: of - taken for name, of in called.items() if of - taken}
    assert {name: of for name, of in unknown.items() if of - relations(compiled[name])} == {}
    assert OWN[warehouse] <= {one for of in called.values() for one in of}, "nobody calls these"


def test_every_type_is_one_that_is_known_there(warehouse: str, compiled: dict[str, str]) -> None:
    """Of casts; nor does anybody cast by two colons."""
    unknown = {}
    for name, code in compiled.items():
        found = {casted(cast) for cast in casts(code, warehouse)}
        if found - TYPES[warehouse]:
            unknown[name] = found - TYPES[warehouse]
        assert not any(token.token_type == TokenType.DCOLON for token, _ in neighbours(code, warehouse)), name
    assert unknown == {}


def test_raw_columns_have_the_names_that_they_are_loaded_by(compiled: dict[str, str]) -> None:
    """Only PostgreSQL has no room for them."""
    for raw in TABLES:
        named = set(re.findall(r"\w+", compiled[f"stg_klaviyo__{raw.name}"]))
        long = {column.name for column in columns(raw) if len(column.name) > POSTGRES_NAMES.max_length}
        assert long <= named


def neighbours(code: str, warehouse: str) -> list[tuple[Token, TokenType | None]]:
    tokens = sqlglot.tokenize(code, read=warehouse)
    return [*zip(tokens, [*(token.token_type for token in tokens[1:]), None], strict=True)]


def is_name(token: Token) -> bool:
    return bool(re.fullmatch(r"[A-Za-z_]\w*", token.text)) and token.token_type != TokenType.STRING


def relations(code: str) -> set[str]:
    """Names of what a statement defines with its columns."""
    return set(re.findall(r"\b(\w+)\s*\([\w\s,]+\)\s*as\s*\(", code.lower()))


def casts(code: str, warehouse: str) -> list[list[Token]]:
    """What stands behind `as` in each cast."""
    found, open_ = [], list[bool]()
    tokens = sqlglot.tokenize(code, read=warehouse)
    for place, token in enumerate(tokens):
        if token.token_type == TokenType.L_PAREN:
            open_.append(tokens[place - 1].text.lower() in ("cast", "safe_cast"))
        elif token.token_type == TokenType.R_PAREN:
            open_.pop()
        elif token.token_type == TokenType.ALIAS and open_ and open_[-1]:
            end, depth = place + 1, 0
            while depth or tokens[end].token_type != TokenType.R_PAREN:
                depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(tokens[end].token_type, 0)
                end += 1
            found.append(tokens[place + 1 : end])
    return found


def casted(cast: list[Token]) -> str:
    text = " ".join(token.text.lower() for token in cast)
    return re.sub(r" ?\( ?", "(", text).replace(" )", ")").replace(" ,", ",")
