"""Sign in as a user, list the project's cloud phones, restart one, and wait until it has restarted.

    python examples/cph_quick_start.py USER ACCOUNT cn-north-4 PHONE

This is the quick start of CPH's documents (chapter 4 of 2025-02-08). The password is asked for. The session
signs in at the first call, and uses its token for 24 hours.
"""

import asyncio
import sys
from getpass import getpass

from koophone_async import CloudPhone, Password, Report, Session


async def restart(user: Password, phone: str) -> Report:
    async with Session(user, region=user.project) as session:
        cph = CloudPhone(session)
        async for found in cph.phones.list():
            print(found.id, found.name, getattr(found.state, "name", found.state))
        started = await cph.phones.restart([phone])
        # A refused phone comes with HTTP 200 too: `started` lists it, and so does the report.
        return await cph.jobs.wait(started, timeout=600)


if __name__ == "__main__":
    name, account, project, chosen = sys.argv[1:]
    done = asyncio.run(restart(Password(name, getpass(), account, project), chosen))
    for outcome in done:
        print(outcome.id, outcome.state, outcome.error_message or f"after {outcome.seconds:.0f} s")
    sys.exit(0 if done.ok else 1)
