"""Stories told in virtual time, each to an emulator of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeAlias, TypeVar

from koophone_async.virtual_time import run_virtually

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Tale: TypeAlias = Callable[[T], Coroutine[Any, Any, None]]


class Story(Protocol[T_co]):
    """Makes a test of a tale, told with settings of the emulator."""

    def __call__(self, **settings: Any) -> Callable[[Tale[T_co]], Callable[[], None]]: ...  # noqa: ANN401


def stories(tell: Callable[[Tale[T], dict[str, Any]], Coroutine[Any, Any, None]]) -> Story[T]:
    """Make the decorator of tales that are told in one way."""

    def story(**settings: Any) -> Callable[[Tale[T]], Callable[[], None]]:  # noqa: ANN401 - those of Emulator
        def test(tale: Tale[T]) -> Callable[[], None]:
            def told() -> None:
                run_virtually(tell(tale, settings))

            told.__name__ = tale.__name__
            return told

        return test

    return story
