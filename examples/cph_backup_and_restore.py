"""Back up what a phone holds, and restore it there or on another phone.

    python examples/cph_backup_and_restore.py BUCKET FROM [TO]

This is the walk of CPH's documents (chapter 6 of 2025-02-08). The service must have been granted access to
the bucket.

An export keeps owner and permissions of the last part of each path only. So name a directory whose parents
are on every phone (`/data/media`), and leave out what is not wanted: a single file in a directory that the
other phone does not have (`/data/media/0/my_files/test.png`) could not be used there.
"""

import asyncio
import sys

from koophone_async import CloudPhone, Session

INCLUDE = ("/data/app", "/data/local", "/data/media")
EXCLUDE = ("/data/app/com.example.huge-*",)


async def back_up(cph: CloudPhone, phones: list[str], bucket: str) -> dict[str, str]:
    """Give the path of the export of each phone, once all of them are there."""
    paths = {phone: f"backups/{phone}.tar" for phone in phones}
    exported = await cph.fleet(phones, deadline=3600).export(INCLUDE, bucket, paths, EXCLUDE)
    exported.raise_for_failures()
    return paths


async def restore(cph: CloudPhone, bucket: str, paths: dict[str, str]) -> None:
    """Put exports on phones, and restart them. An export of a higher Android version fails (CPS.0254)."""
    restored = await cph.fleet(paths, deadline=3600).restore(bucket, paths)
    restored.raise_for_failures()
    # Until then apps may crash: what they have in memory is not what is on the disk.
    restarted = await cph.fleet(paths, deadline=3600).restart()
    restarted.raise_for_failures()


async def move(bucket: str, source: str, target: str) -> None:
    async with Session() as session:
        cph = CloudPhone(session)
        paths = await back_up(cph, [source], bucket)
        await restore(cph, bucket, {target: paths[source]})


if __name__ == "__main__":
    asyncio.run(move(sys.argv[1], sys.argv[2], sys.argv[-1]))
