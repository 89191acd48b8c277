"""Every verb of KooPhone over any number of instances."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from attrs import field, frozen

from koophone_async.batches import Outcome, Reading, Run, RunOptions, State, Verb, Wait
from koophone_async.batches.chunks import Source
from koophone_async.call import SendTracker
from koophone_async.operation import Operation, Sender
from koophone_async.services.koophone import apps, commands, instances, orders, streaming, users, video
from koophone_async.services.koophone.apps import AppPage, AppQuery, AppType, InstallApp, Package
from koophone_async.services.koophone.commands import CommandResults, RunCommand
from koophone_async.services.koophone.completion import (
    States,
    Tasks,
    TasksOrStates,
    backed_up,
    by_list,
    by_status,
    prepared,
    ready,
    running,
    unassigned,
)
from koophone_async.services.koophone.instances import Chosen, InstanceStatuses
from koophone_async.services.koophone.jobs import Accepted, JobState, StartedTask
from koophone_async.services.koophone.orders import DeleteInstances
from koophone_async.services.koophone.paging import items
from koophone_async.services.koophone.streaming import (
    OneInstance,
    PreparedList,
    PrepareInstances,
    PrepareState,
    StreamAccess,
)
from koophone_async.services.koophone.users import Holding, Holdings
from koophone_async.services.koophone.video import SetVideo, VideoSetting
from koophone_async.wire import Edition

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@frozen
class Fleet:
    """Any number of instances, and what can be done to all of them.

    Every verb gives a `Run`: iterate it for outcomes as they come, or await it for the report.
    Duplicates are dropped, ids are sent a hundred at a time and grouped by region where it is
    known (from listed instances), and every distinct id gets exactly one outcome.
    """

    _session: Sender
    _tasks: Tasks
    _ids: Source
    _options: RunOptions = field(factory=RunOptions)

    def run(self, command: str) -> Run[RunCommand, StartedTask]:
        """Run a shell command and give the first 1,024 bytes of its output.

        Args:
            command: At most 1,024 bytes of UTF-8.
        """
        return self._run(commands.RUN, lambda ids: RunCommand(ids, command), self._started)

    def run_sync(self, command: str) -> Run[RunCommand, CommandResults]:
        """Run a short shell command in calls that wait for it; no job is looked at.

        Args:
            command: At most 1,024 bytes of UTF-8.
        """
        return self._run(commands.RUN_SYNC, lambda ids: RunCommand(ids, command), _results)

    def install(self, package: Package) -> Run[InstallApp, StartedTask]:
        """Install a package from object storage.

        Args:
            package: At most 2,048 MB, behind a signed download link.
        """
        return self._run(apps.INSTALL, lambda ids: InstallApp.of(package, ids), self._started)

    def apps(self, type: AppType | None = None) -> Run[AppQuery, AppPage]:
        """List the apps on each instance; the outcome's `value` is a tuple of `App`.

        Args:
            type: Only apps of the system (1) or of third parties (2).
        """

        async def every_page(session: Sender, query: AppQuery, tracker: SendTracker) -> AppPage:
            return AppPage(tuple([app async for app in items(session, apps.LIST, query, tracker)]))

        rows = _one(_rows)
        return self._run(apps.LIST, lambda ids: AppQuery(ids[0], type), rows, every_page)

    def status(self) -> Run[Chosen, InstanceStatuses]:
        """Tell the state of each instance; the outcome's `value` is the state."""
        return self._run(instances.STATUS, Chosen, _statuses)

    def reset(self) -> Run[Chosen, StartedTask]:
        """Wipe instances back to their first state, and wait until they run again."""
        return self._ending(instances.RESET, Chosen, self._until_running())

    def reboot(self) -> Run[Chosen, Accepted]:
        """Restart instances, and wait until they run again."""
        states = self._until_running()
        return self._run(instances.REBOOT, Chosen, lambda _, ids: Reading(wait=states.watch(ids)))

    def backup(self) -> Run[Chosen, StartedTask]:
        """Copy instances to object storage and release the machines under them, and wait for it."""
        return self._ending(instances.BACKUP, Chosen, by_list(self._session, backed_up))

    def assign(self, user: str | Mapping[str, str]) -> Run[Holdings, Accepted]:
        """Give instances to a user.

        Args:
            user: Who gets them all, or a user for each instance id.
        """
        return self._run(users.ASSIGN, _holdings(user), _accepted, sample=_sample(user))

    def unassign(self, user: str | Mapping[str, str]) -> Run[Holdings, StartedTask]:
        """Take instances back, erase what their users left on them, and wait for it.

        Args:
            user: Who holds them all, or a user for each instance id.
        """
        states = by_list(self._session, unassigned)
        return self._ending(users.UNASSIGN, _holdings(user), states, sample=_sample(user))

    def set_video(self, settings: Iterable[VideoSetting]) -> Run[SetVideo, Accepted]:
        """Set bit rate and frame rate of the video stream.

        Args:
            settings: All six combinations of network and encoding; rates 100 to 10,000 kbit/s in steps of
                100, 30 or 60 frames a second.
        """
        six = tuple(settings)
        return self._run(video.SET, lambda ids: SetVideo(ids, six), _accepted)

    def prepare(self, user: str) -> Run[PrepareInstances, PreparedList]:
        """Bring instances into the state from which they can stream, and wait for it.

        The wait asks for the state of a hundred at once, not for the progress of each. Where some wait for
        more than their data it asks for the list of instances, which tells of that too.

        Args:
            user: Who will stream, at most 32 characters.
        """
        by_state, by_row = by_status(self._session, ready), by_list(self._session, prepared)

        def read(answer: PreparedList, _: Sequence[str]) -> Reading:
            ends: list[Outcome] = []
            waits: list[str] = []
            for status in answer.statuses:
                if status.state == PrepareState.READY:
                    ends.append(Outcome(status.instance, State.SUCCEEDED, value=status.state))
                elif status.state == PrepareState.RESTORING_EXPIRED_FAILED:
                    failed = Outcome(status.instance, State.FAILED, error_message="could not be restored")
                    ends.append(failed)
                else:
                    waits.append(status.instance)
            states = by_row if any(status.state in _NOT_DATA for status in answer.statuses) else by_state
            return Reading(ends, states.watch(waits) if waits else None)

        return self._run(streaming.PREPARE, lambda ids: PrepareInstances(user, ids), read)

    def authorize(self) -> Run[OneInstance, StreamAccess]:
        """Get the keys to the stream of each instance, in calls of one: the outcome's `value`."""
        return self._run(streaming.AUTHORIZE, _single, _one(_itself))

    def stop_streaming(self) -> Run[OneInstance, Accepted]:
        """End the streaming of each instance, in calls of one (international edition)."""
        return self._run(streaming.STOP, _single, _accepted)

    def release_session(self) -> Run[OneInstance, Accepted]:
        """Release the session that remains after streaming, in calls of one (international edition)."""
        return self._run(streaming.RELEASE, _single, _accepted)

    def unsubscribe(self) -> Run[DeleteInstances, Accepted]:
        """End the subscriptions of instances and lose them for good."""
        return self._run(orders.UNSUBSCRIBE, DeleteInstances, _accepted)

    def _until_running(self) -> States:
        """Look until instances run, which the international edition tells in the list only."""
        if self._session.edition is Edition.CHINA:
            return by_status(self._session, ready)
        return by_list(self._session, running)

    def _run(
        self,
        operation: Operation[Request, Answer],
        request: Callable[[Sequence[str]], Request],
        read: Callable[[Answer, Sequence[str]], Reading],
        ask: Callable[[Sender, Request, SendTracker], Awaitable[Answer]] | None = None,
        sample: Sequence[str] = ("any",),
    ) -> Run[Request, Answer]:
        return Run(self._session, Verb(operation, request, read, ask, sample), self._ids, self._options)

    def _ending(
        self,
        operation: Operation[Request, StartedTask],
        request: Callable[[Sequence[str]], Request],
        states: States,
        sample: Sequence[str] = ("any",),
    ) -> Run[Request, StartedTask]:
        """Run what answers a task in one edition, and in the other leaves only a state to wait for."""
        tasks = TasksOrStates(self._tasks, states)

        def read(started: StartedTask, ids: Sequence[str]) -> Reading:
            has_jobs = started.id and started.jobs
            return Reading(wait=tasks.watch(started) if has_jobs else states.watch(ids))

        return self._run(operation, request, read, sample=sample)

    def _started(self, started: StartedTask, _: Sequence[str]) -> Reading:
        jobs = {job.id: job.instance for job in started.jobs}
        return Reading(wait=Wait(self._tasks, started.id, jobs)) if started.id else Reading()


_NOT_DATA: Final = {
    PrepareState.TO_BE_ASSIGNED,
    PrepareState.BACKING_UP,
    PrepareState.RESETTING,
    PrepareState.RESTARTING,
    PrepareState.OFFLINE,
    PrepareState.REPLACING,
    PrepareState.MAINTAINING,
}
"""What is waited for beside data to be restored. `status` does not tell of it in every edition."""


def _single(ids: Sequence[str]) -> OneInstance:
    return OneInstance(ids[0])


def _rows(page: AppPage) -> object:
    return page.items


def _itself(answer: object) -> object:
    return answer


def _sample(user: str | Mapping[str, str]) -> Sequence[str]:
    return ("any",) if isinstance(user, str) else tuple(user)[:1]


def _holdings(user: str | Mapping[str, str]) -> Callable[[Sequence[str]], Holdings]:
    def of(id: str) -> str:
        return user if isinstance(user, str) else user.get(id, "")

    return lambda ids: Holdings([Holding(of(id), id) for id in ids])


def _accepted(_: object, ids: Sequence[str]) -> Reading:
    return Reading([Outcome(id, State.ACCEPTED) for id in ids])


def _one(value: Callable[[Answer], object]) -> Callable[[Answer, Sequence[str]], Reading]:
    return lambda answer, ids: Reading([Outcome(ids[0], State.ACCEPTED, value=value(answer))])


def _statuses(answer: InstanceStatuses, _: Sequence[str]) -> Reading:
    return Reading([Outcome(s.instance, State.ACCEPTED, value=s.state) for s in answer.statuses])


def _results(answer: CommandResults, _: Sequence[str]) -> Reading:
    states: dict[int, State] = {JobState.SUCCEEDED: State.SUCCEEDED, JobState.FAILED: State.FAILED}
    return Reading(
        Outcome(
            result.instance,
            states.get(result.state, State.UNKNOWN),
            error_code=result.error_code or None,
            error_message=result.error_message or (None if result.state in states else _NOT_ENDED),
            output=result.output,
        )
        for result in answer.results
    )


_NOT_ENDED: Final = "the service answered before the command had ended, and no task tells of its end"
