"""Fleet operations of KooPhone, on any number of instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

from attrs import evolve, field, frozen

from koophone_async.batches import (
    CallResult,
    Outcome,
    Run,
    RunOptions,
    StartedCall,
    State,
    Verb,
    Wait,
    error_code,
    outcomes_without_row,
)
from koophone_async.batches.chunks import Source
from koophone_async.batches.regions import RegionMap
from koophone_async.call import SendTracker
from koophone_async.operation import Operation, Sender
from koophone_async.rows import Rows, dropped_rows
from koophone_async.services.koophone import apps, commands, instances, orders, streaming, users, video
from koophone_async.services.koophone.apps import AppPage, AppQuery, AppType, InstallApp, Package
from koophone_async.services.koophone.commands import CommandResult, CommandResults, RunCommand
from koophone_async.services.koophone.completion import (
    StatePoller,
    TaskOrStatePoller,
    TaskPoller,
    list_poller,
    prepare_poller,
    until_running,
)
from koophone_async.services.koophone.instances import InstancesRequest, InstanceStatuses
from koophone_async.services.koophone.jobs import Accepted, JobState, StartedTask
from koophone_async.services.koophone.orders import DeleteInstances
from koophone_async.services.koophone.paging import items
from koophone_async.services.koophone.state_readers import query_progress
from koophone_async.services.koophone.streaming import (
    InstanceRequest,
    PreparedInstances,
    PrepareInstances,
    PrepareState,
    ProgressState,
    StreamAccess,
)
from koophone_async.services.koophone.users import Assignment, Assignments
from koophone_async.services.koophone.verdicts import NewBackup, unassigned
from koophone_async.services.koophone.video import SetVideo, VideoSetting
from koophone_async.wire import Edition

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@frozen
class Fleet:
    """Any number of instances, and the operations on all of them.

    Every method returns a `Run`: iterate over it for outcomes as they arrive, or await it for the report.
    Duplicate ids are dropped. Ids are sent a hundred per call, grouped by region where it is known (that of
    listed instances is), and every distinct id gets exactly one outcome. If a call is refused because its ids
    are of several regions, the others are sorted and, if that does not separate them, their regions are
    looked up in the list of instances; each once in a run.
    """

    _session: Sender
    _tasks: TaskPoller
    _ids: Source
    _options: RunOptions = field(factory=RunOptions)
    _regions: RegionMap | None = field(default=None, repr=False)

    def run(self, command: str) -> Run[RunCommand, StartedTask]:
        """Run a shell command, and return the first 1,024 bytes of its output.

        Args:
            command: At most 1,024 bytes of UTF-8.
        """
        return self._run(
            Verb(
                commands.RUN, lambda ids: RunCommand(ids, command), self._read_task, resume=self._resume_task
            )
        )

    def run_sync(self, command: str) -> Run[RunCommand, CommandResults]:
        """Run a short shell command in synchronous calls, without polling jobs.

        Args:
            command: At most 1,024 bytes of UTF-8.
        """
        return self._run(Verb(commands.RUN_SYNC, lambda ids: RunCommand(ids, command), _read_results))

    def install(self, package: Package) -> Run[InstallApp, StartedTask]:
        """Install a package from object storage.

        Args:
            package: At most 2,048 MB, behind a signed download link.
        """
        return self._run(
            Verb(
                apps.INSTALL,
                lambda ids: InstallApp.of(package, ids),
                self._read_task,
                resume=self._resume_task,
            )
        )

    def apps(self, type: AppType | None = None) -> Run[AppQuery, AppPage]:
        """List the apps on each instance; the outcome's `value` is a tuple of `App`.

        Args:
            type: Only system apps (1) or third-party apps (2).
        """

        async def every_page(session: Sender, query: AppQuery, tracker: SendTracker) -> AppPage:
            listed = items(session, apps.LIST, query, tracker)
            return AppPage(Rows([app async for app in listed], listed.unreadable))

        return self._run(Verb(apps.LIST, lambda ids: AppQuery(ids[0], type), _read_value(_apps), every_page))

    def status(self) -> Run[InstancesRequest, InstanceStatuses]:
        """Return the state of each instance as the `value` of its outcome."""
        return self._run(Verb(instances.STATUS, InstancesRequest, _read_statuses))

    def reset(self) -> Run[InstancesRequest, StartedTask]:
        """Reset instances to their initial state, and wait until they run again."""
        return self._run_with_task(instances.RESET, InstancesRequest, until_running(self._session))

    def reboot(self) -> Run[InstancesRequest, Accepted]:
        """Restart instances, and wait until they run again."""
        states = until_running(self._session)
        return self._run(
            Verb(
                instances.REBOOT,
                InstancesRequest,
                lambda _, ids: CallResult(wait=states.wait(ids)),
                resume=self._resume_states(states),
            )
        )

    def backup(self) -> Run[InstancesRequest, StartedTask]:
        """Back up instances to object storage, release their machines, and wait until it is done."""
        backup = NewBackup(self._session.now)
        states = list_poller(self._session, backup)
        return self._run_with_task(instances.BACKUP, InstancesRequest, states, on_resume=backup.resume)

    def assign(self, user: str | Mapping[str, str]) -> Run[Assignments, Accepted]:
        """Assign instances to users.

        Args:
            user: The user of all instances, or a user for each instance id.
        """
        return self._run(Verb(users.ASSIGN, _assignments(user), _accepted, sample=_sample(user)))

    def unassign(self, user: str | Mapping[str, str]) -> Run[Assignments, StartedTask]:
        """Unassign instances, which erases the data of their users, and wait until it is done.

        Args:
            user: The user of all instances, or a user for each instance id.
        """
        states = list_poller(self._session, unassigned)
        return self._run_with_task(users.UNASSIGN, _assignments(user), states, sample=_sample(user))

    def set_video(self, settings: Iterable[VideoSetting]) -> Run[SetVideo, Accepted]:
        """Set bit rates and frame rates of the video stream.

        Args:
            settings: All six combinations of network and encoding; rates 100 to 10,000 kbit/s in steps of
                100, 30 or 60 frames a second.
        """
        fixed = tuple(settings)
        return self._run(Verb(video.SET, lambda ids: SetVideo(ids, fixed), _accepted))

    def prepare(self, user: str) -> Run[PrepareInstances, PreparedInstances]:
        """Prepare instances for streaming, and wait until they can stream.

        The wait polls the state of a hundred instances per call. If some wait for more than their data, it
        polls the list of instances, which shows the rest too. Instances whose state is good, in the China
        edition, or whose state does not become good are asked for their progress, one per call.

        Args:
            user: The user who will stream; at most 32 characters.
        """
        by_status, by_list = (
            prepare_poller(self._session, user, by_list=by_list) for by_list in (False, True)
        )
        is_china, ready_now = self._session.edition is Edition.CHINA, set[str]()

        async def send(session: Sender, request: PrepareInstances, tracker: SendTracker) -> PreparedInstances:
            answer = await session.send(streaming.PREPARE, request, tracker=tracker)
            ids = [one.instance for one in answer.statuses if one.state == PrepareState.READY]
            if is_china:
                progress = await query_progress(session, user, ids)
                ids = [id for id in ids if progress.get(id, ProgressState.READY) == ProgressState.READY]
            ready_now.update(ids)
            return answer

        def read(answer: PreparedInstances, ids: Sequence[str]) -> CallResult:
            known = {status.instance for status in answer.statuses}
            outcomes = outcomes_without_row(ids, known, dropped_rows(answer.statuses))
            pending: list[str] = []
            for status in answer.statuses:
                if status.state == PrepareState.READY and status.instance in ready_now:
                    outcomes.append(Outcome(status.instance, State.SUCCEEDED, value=status.state))
                elif status.state == PrepareState.RESTORING_EXPIRED_FAILED:
                    failed = Outcome(status.instance, State.FAILED, error_message="could not be restored")
                    outcomes.append(failed)
                else:
                    pending.append(status.instance)
            needs_list = any(status.state in _NOT_IN_STATUS for status in answer.statuses)
            states = by_list if needs_list else by_status
            return CallResult(outcomes, states.wait(pending) if pending else None)

        return self._run(
            Verb(
                streaming.PREPARE,
                lambda ids: PrepareInstances(user, ids),
                read,
                send,
                # The answer to the call is lost: the list shows every state that it may have had.
                resume=self._resume_states(by_list),
            )
        )

    def authorize(self) -> Run[InstanceRequest, StreamAccess]:
        """Create the token of each stream, one per call; the outcome's `value` is a `StreamAccess`."""
        return self._run(Verb(streaming.AUTHORIZE, _single, _read_value(_unchanged)))

    def stop_streaming(self) -> Run[InstanceRequest, Accepted]:
        """Stop the stream of each instance, one per call (KooPhone 4.3.4; in China since 2026)."""
        return self._run(Verb(streaming.STOP, _single, _accepted))

    def release_session(self) -> Run[InstanceRequest, Accepted]:
        """Release the session of each stopped stream, one per call (KooPhone 4.3.5; in China since 2026)."""
        return self._run(Verb(streaming.RELEASE, _single, _accepted))

    def unsubscribe(self) -> Run[DeleteInstances, Accepted]:
        """End the subscriptions of instances, which deletes them for good."""
        return self._run(Verb(orders.UNSUBSCRIBE, DeleteInstances, _accepted))

    def _run(self, verb: Verb[Request, Answer]) -> Run[Request, Answer]:
        return Run(self._session, evolve(verb, regions=self._regions), self._ids, self._options)

    def _run_with_task(
        self,
        operation: Operation[Request, StartedTask],
        request: Callable[[Sequence[str]], Request],
        states: StatePoller,
        *,
        sample: Sequence[str] = ("any",),
        on_resume: Callable[[Iterable[str], datetime], None] | None = None,
    ) -> Run[Request, StartedTask]:
        """Run an operation that starts a task in one edition, and in the other only changes a state."""
        tasks = TaskOrStatePoller(self._tasks, states)

        def read(started: StartedTask, ids: Sequence[str]) -> CallResult:
            jobs = {job.id: job.instance for job in started.jobs}
            if not started.id or not jobs:
                return CallResult(wait=states.wait(ids))
            return CallResult(_without_job(started, ids), tasks.wait(started.id, jobs))

        def resume(call: StartedCall) -> Wait:
            if on_resume is not None:
                on_resume(call.jobs.values(), call.started_at)
            if not call.has_jobs:
                return resume_states(call)
            return tasks.wait(call.handle, call.jobs, call.age(self._session.now()))

        resume_states = self._resume_states(states)
        return self._run(Verb(operation, request, read, sample=sample, resume=resume))

    def _resume_task(self, call: StartedCall) -> Wait:
        return Wait(self._tasks, call.handle, call.jobs)

    def _resume_states(self, states: StatePoller) -> Callable[[StartedCall], Wait]:
        return lambda call: states.wait(call.jobs.values(), call.age(self._session.now()))

    def _read_task(self, started: StartedTask, ids: Sequence[str]) -> CallResult:
        jobs = started.instances_by_job
        if not started.id:
            reason = "the answer has no task, by which its job could be polled"
            return CallResult(
                [Outcome(id, State.UNKNOWN, job, error_message=reason) for job, id in jobs.items()]
            )
        return CallResult(_without_job(started, ids), Wait(self._tasks, started.id, jobs))


_NOT_IN_STATUS: Final = {
    PrepareState.TO_BE_ASSIGNED,
    PrepareState.BACKING_UP,
    PrepareState.RESETTING,
    PrepareState.RESTARTING,
    PrepareState.OFFLINE,
    PrepareState.REPLACING,
    PrepareState.MAINTAINING,
}
"""States before streaming that `status` does not show in every edition; the others wait for data only."""


def _without_job(started: StartedTask, ids: Sequence[str]) -> list[Outcome]:
    known = set(started.instances_by_job.values())
    return outcomes_without_row(ids, known, dropped_rows(started.jobs), f"task {started.id}")


def _single(ids: Sequence[str]) -> InstanceRequest:
    return InstanceRequest(ids[0])


def _apps(page: AppPage) -> object:
    return page.items


def _unchanged(answer: object) -> object:
    return answer


def _sample(user: str | Mapping[str, str]) -> Sequence[str]:
    return ("any",) if isinstance(user, str) else tuple(user)[:1]


def _assignments(user: str | Mapping[str, str]) -> Callable[[Sequence[str]], Assignments]:
    def of(id: str) -> str:
        return user if isinstance(user, str) else user.get(id, "")

    return lambda ids: Assignments([Assignment(of(id), id) for id in ids])


def _accepted(_: object, ids: Sequence[str]) -> CallResult:
    return CallResult([Outcome(id, State.ACCEPTED) for id in ids])


def _read_value(value: Callable[[Answer], object]) -> Callable[[Answer, Sequence[str]], CallResult]:
    return lambda answer, ids: CallResult([Outcome(ids[0], State.SUCCEEDED, value=value(answer))])


def _read_statuses(answer: InstanceStatuses, ids: Sequence[str]) -> CallResult:
    outcomes = [Outcome(s.instance, State.SUCCEEDED, value=s.state) for s in answer.statuses]
    known = {outcome.id for outcome in outcomes}
    return CallResult(outcomes + outcomes_without_row(ids, known, dropped_rows(answer.statuses)))


def _read_results(answer: CommandResults, ids: Sequence[str]) -> CallResult:
    outcomes = [_result_outcome(result) for result in answer.results]
    known = {outcome.id for outcome in outcomes}
    return CallResult(outcomes + outcomes_without_row(ids, known, dropped_rows(answer.results)))


def _result_outcome(result: CommandResult) -> Outcome:
    return Outcome(
        result.instance,
        _RESULT_STATES.get(result.state, State.UNKNOWN),
        error_code=error_code(result.error_code),
        error_message=result.error_message or _reason_without_message(result.state),
        output=result.output,
    )


def _reason_without_message(state: JobState | int) -> str | None:
    if state in _RESULT_STATES:
        return None
    return _NOT_ENDED if state == JobState.RUNNING else f"its status is {state}, which no document describes"


_RESULT_STATES: Final[Mapping[int, State]] = {
    JobState.SUCCEEDED: State.SUCCEEDED,
    JobState.FAILED: State.FAILED,
}

_NOT_ENDED: Final = (
    "the service answered before the command had ended, and there is no task to poll for its result"
)
