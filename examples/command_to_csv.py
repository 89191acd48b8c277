"""Run a command on every phone of the tenant, and write the outcome of each to a CSV file.

    python examples/command_to_csv.py "getprop ro.build.version.release" versions.csv

The first phones run the command while the next ones are still being listed. Only what is in flight is in
memory.
"""

import asyncio
import csv
import sys
from pathlib import Path

from koophone_async import KooPhone, Outcome, Report, Session


async def run_to_csv(command: str, path: Path) -> Report:
    async with Session() as session:
        koophone = KooPhone(session)
        with path.open("w", newline="") as file:
            rows = csv.DictWriter(file, Outcome.COLUMNS)
            rows.writeheader()
            run = koophone.fleet(koophone.instances.list()).run(command)
            async for outcome in run:
                rows.writerow(outcome.to_row())
    return run.report


if __name__ == "__main__":
    report = asyncio.run(run_to_csv(sys.argv[1], Path(sys.argv[2])))
    print(f"{report.total:,} phones:", ", ".join(f"{n:,} {state}" for state, n in report.counts.items()))
    sys.exit(0 if report.ok else 1)
