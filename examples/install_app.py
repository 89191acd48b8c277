"""Install an app on many phones, and list where it failed, and why.

    python examples/install_app.py ids.txt com.example.shop shop.apk 1.4.2 35 "https://...signed link..."

A phone whose installation is `unknown` may have the app. This script checks the list of apps of each one;
do so too before you try again.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from koophone_async import KooPhone, Report, Session, State
from koophone_async.koophone import AppType, Package


async def install(ids: Sequence[str], package: Package) -> Report:
    async with Session() as session:
        koophone = KooPhone(session)
        report = await koophone.fleet(ids).install(package)
        doubtful = [outcome.id for outcome in report if outcome.state is State.UNKNOWN]
        for id in doubtful:
            names = {app.package async for app in koophone.apps.list(id, AppType.THIRD_PARTY)}
            print(f"{id}: unknown, and the app is {'there' if package.name in names else 'not there'}")
    return report


def explain(report: Report) -> None:
    for code, count in report.failures.most_common():
        print(f"{count:6,} x {code}")
    for outcome in report.failed().values():
        print(f"{outcome.id}: {outcome.state}: {outcome.error_code or '-'} {outcome.error_message or ''}")


if __name__ == "__main__":
    file, name, apk, version, size, url = sys.argv[1:]
    done = asyncio.run(install(Path(file).read_text().split(), Package(name, apk, version, size, url)))
    explain(done)
    sys.exit(0 if done.ok else 1)
