"""`python -m koophone_async.cli` is `koophone`."""

from koophone_async.cli import main

main()
