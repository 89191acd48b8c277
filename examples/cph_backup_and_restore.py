"""Back up the data of a phone, and restore it there or on another phone.

    python examples/cph_backup_and_restore.py BUCKET FROM [TO]

This follows the guide in CPH's documents (chapter 6 of 2025-02-08). The service needs access to the bucket.

An export keeps owner and permissions of the last component of each path only. So include a directory whose
parents exist on every phone (`/data/media`), and exclude what you do not need. A single file in a directory
that the other phone does not have (`/data/media/0/my_files/test.png`) would not be accessible there.
"""

import asyncio
import sys

from koophone_async import CloudPhone, Session

INCLUDE = ("/data/app", "/data/local", "/data/media")
EXCLUDE = ("/data/app/com.example.huge-*",)


async def back_up(cph: CloudPhone, phones: list[str], bucket: str) -> dict[str, str]:
    """Export the data of phones, and return the path of each export."""
    paths = {phone: f"backups/{phone}.tar" for phone in phones}
    exported = await cph.fleet(phones, deadline=3600).export(INCLUDE, bucket, paths, EXCLUDE)
    exported.raise_for_failures()
    return paths


async def restore(cph: CloudPhone, bucket: str, paths: dict[str, str]) -> None:
    """Restore exports on phones, and restart them. Exports of a newer Android version fail (CPS.0254)."""
    restored = await cph.fleet(paths, deadline=3600).restore(bucket, paths)
    restored.raise_for_failures()
    # Until the restart apps may crash: the data in their memory is not that on the disk.
    restarted = await cph.fleet(paths, deadline=3600).restart()
    restarted.raise_for_failures()


async def move(bucket: str, source: str, target: str) -> None:
    async with Session() as session:
        cph = CloudPhone(session)
        paths = await back_up(cph, [source], bucket)
        await restore(cph, bucket, {target: paths[source]})


if __name__ == "__main__":
    asyncio.run(move(sys.argv[1], sys.argv[2], sys.argv[-1]))
