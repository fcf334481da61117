"""A dbt project of a few models, in the frame of ours: for what is about a build, and not about the models."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from pipelines.transform import PROJECT

MODELS: Final = {
    "staging/stg_klaviyo__lists.sql": "select * from {{ source('klaviyo', 'lists') }}",
    "staging/stg_klaviyo__tags.sql": "select * from {{ source('klaviyo', 'tags') }}",
    "marts/dim_profile.sql": "select * from {{ source('klaviyo', 'profiles') }}",
    "marts/of_lists.sql": "select count(*) as found, now() as built_at from {{ ref('stg_klaviyo__lists') }}",
    "marts/of_tags.sql": (
        "select {{ var('klaviyo_sunset_days') }} as days, count(*) as found, now() as built_at"
        " from {{ ref('stg_klaviyo__tags') }}"
    ),
}


def few_models(project: Path) -> Path:
    for part in ("dbt_project.yml", "profiles.yml", "models/staging/_klaviyo__sources.yml"):
        (project / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / part, project / part)
    shutil.copytree(PROJECT / "macros", project / "macros")
    for name, text in MODELS.items():
        (project / "models" / name).parent.mkdir(exist_ok=True)
        (project / "models" / name).write_text(text)
    return project
