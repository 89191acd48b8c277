"""`koophone cph`: options for its project and region."""

from __future__ import annotations

from typing import Annotated

import typer

from koophone_async.cli.parameters.names import refuse_empty


def start(
    context: typer.Context,
    *,
    project_id: Annotated[
        str | None,
        typer.Option(
            callback=refuse_empty,
            help="Project. Default: HUAWEICLOUD_SDK_PROJECT_ID, else the project with the name of the "
            "region.",
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            callback=refuse_empty,
            help="Region of the servers, such as cn-north-4. Default: KOOPHONE_REGION.",
        ),
    ] = None,
) -> None:
    """CPH: cloud phones on servers that you rent.

    Commands for phones or servers select them by ID..., --ids-file, --name, --where, --tag (of servers) or
    --all.
    """
    options = {"HUAWEICLOUD_SDK_PROJECT_ID": project_id, "KOOPHONE_REGION": region}
    context.find_root().obj |= {name: value for name, value in options.items() if value is not None}
