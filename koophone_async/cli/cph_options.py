"""`koophone cph`: in which project and region its commands work."""

from __future__ import annotations

from typing import Annotated

import typer

from koophone_async.cli.settings import settings


def start(
    context: typer.Context,
    *,
    project_id: Annotated[
        str | None,
        typer.Option(help="Else HUAWEICLOUD_SDK_PROJECT_ID, else the project named like the region."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Such as cn-north-4, where the servers are. Else KOOPHONE_REGION.")
    ] = None,
) -> None:
    """Cloud phones on servers of your own, in one project.

    Which phones or servers a command is for: ID..., --ids-file, --where, --tag (servers) or --all.
    """
    having = settings(context)
    context.find_root().obj = having.over(HUAWEICLOUD_SDK_PROJECT_ID=project_id, KOOPHONE_REGION=region)
