"""Sign in as a user, list the project's cloud phones, restart one, and wait until it has restarted.

    python examples/cph_quick_start.py USER ACCOUNT cn-north-4 PHONE

This follows the quick start in CPH's documents (chapter 4 of 2025-02-08), and prompts for the password. The
session signs in at the first call, and uses its token for 24 hours.
"""

import asyncio
import sys
from getpass import getpass

from koophone_async import CloudPhone, Password, Report, Session


async def restart(user: Password, phone: str) -> Report:
    async with Session(user, region=user.project) as session:
        cph = CloudPhone(session)
        async for listed in cph.phones.list():
            print(listed.id, listed.name, getattr(listed.state, "name", listed.state))
        started = await cph.phones.restart([phone])
        # The service refuses single phones in an answer with HTTP 200: `started` and the report list them.
        return await cph.jobs.wait(started, timeout=600)


if __name__ == "__main__":
    name, account, project, phone = sys.argv[1:]
    done = asyncio.run(restart(Password(name, getpass(), account, project), phone))
    for outcome in done:
        print(outcome.id, outcome.state, outcome.error_message or f"after {outcome.seconds:.0f} s")
    sys.exit(0 if done.ok else 1)
