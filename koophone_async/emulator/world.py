"""What is true in the emulated cloud: phones, tasks, orders, and what is still to happen."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from attrs import Factory, asdict, define, field

from koophone_async.emulator import jobs
from koophone_async.emulator.agenda import Agenda, Due
from koophone_async.emulator.cph.state import Estate
from koophone_async.emulator.effects import EFFECTS, FAILURES
from koophone_async.emulator.fleet import Copying, Fleet, Phone
from koophone_async.emulator.jobs import PhoneJob
from koophone_async.emulator.server.errors import koophone, message_of
from koophone_async.emulator.server.faults import Fail, Lose, Stick
from koophone_async.emulator.server.ledger import Ledger
from koophone_async.emulator.steps import STEPS, pay
from koophone_async.services.koophone.jobs import StartedJob, StartedTask
from koophone_async.wire import Edition

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from koophone_async.emulator.jobs import Durations
    from koophone_async.emulator.server.faults import Plan
    from koophone_async.operation import AnyOperation


@define
class PlacedOrder:
    """What was bought."""

    id: str
    instances: list[str]
    sku: str
    months: int
    cost: float
    """In an invented currency: ten a month and virtual CPU."""

    paid: bool


@define(eq=False)
class World:
    """The state of the emulated cloud."""

    fleet: Fleet
    edition: Edition
    durations: Durations
    plan: Plan
    clock: Callable[[], float] = field(repr=False)
    rng: random.Random = field(repr=False)
    newer: bool = False
    """Whether answers have the shape that the vendor's published SDKs read since 2026."""

    ledger: Ledger = field(factory=Ledger)
    tasks: jobs.Tasks = field(factory=dict[str, dict[str, PhoneJob]], repr=False)
    agenda: Agenda = field(factory=Agenda, repr=False)
    orders: dict[str, PlacedOrder] = field(factory=dict[str, PlacedOrder])
    undelivered: set[str] = field(factory=set[str])
    """Ordered phones that nobody can see yet."""

    sequences: dict[str, int] = field(factory=dict[str, int])
    """The last running number of each name prefix."""

    estate: Estate = Factory(lambda world: Estate(world.fleet, world.agenda), takes_self=True)
    """What CPH has beside phones."""

    @property
    def china(self) -> bool:
        """Whether the China edition is spoken."""
        return self.edition is Edition.CHINA

    @property
    def gives_tasks(self) -> bool:
        """Whether reset, unassign and backup answer with a task."""
        return self.newer or not self.china

    def hex(self, size: int = 16) -> str:
        """Make up an id of so many bytes."""
        return self.rng.randbytes(size).hex()

    def settle(self) -> None:
        """Let everything happen that is due."""
        now, wall = self.clock(), self.fleet.now()
        for due in self.agenda.until(now):
            # Whoever looks late must still see when it happened.
            at = (wall - timedelta(seconds=now - due.at)).astimezone(UTC).replace(microsecond=0)
            if step := STEPS.get(due.effect):
                step(self, due, at)
            elif due.phone in self.fleet:
                self._happen(due, at)

    def _happen(self, due: Due, at: datetime) -> None:
        self.undelivered.discard(due.phone)
        phone = self.fleet[due.phone]
        problem = EFFECTS[due.effect](phone, due, at)
        if not phone.loaded and phone.drawer.pop("wanted", None):
            self.bring_back(phone, due.at)
        if problem and due.job:
            task, _, job = due.job.partition("/")
            self.tasks[task][job].failed(problem, message_of(problem))

    def phones(self) -> Iterable[Phone]:
        """Every phone that is there."""
        return (phone for phone in self.fleet if phone.id not in self.undelivered)

    def chosen(self, ids: Iterable[str], unknown: str = "1001") -> list[Phone]:
        """Find the phones that a call names, each one once.

        Raises:
            Refusal: One of them is not there, with the code that is given, or they are not all of one
                region (1002).
        """
        names = dict.fromkeys(ids)
        for name in names:
            if name not in self.fleet or name in self.undelivered:
                raise koophone(unknown, f"no instance {name}")
        phones = [self.fleet[name] for name in names]
        if len(self.fleet.regions) > 1 and len({phone.region for phone in phones}) > 1:
            raise koophone("1002")
        return phones

    def free(self, ids: Iterable[str], unknown: str = "1001") -> list[Phone]:
        """Find phones as `chosen` does, for work that needs them free.

        Raises:
            Refusal: One of them is frozen (2004), or being restored (2005) or backed up (2006).
        """
        phones = self.chosen(ids, unknown)
        for phone in phones:
            if not phone.drawer:
                continue
            if phone.frozen:
                raise koophone("2004", phone.id)
            if phone.restore is Copying.EXECUTING:
                raise koophone("2005", phone.id)
            if phone.backup is Copying.EXECUTING:
                raise koophone("2006", phone.id)
        return phones

    def later(self, effect: str, phone: Phone, **details: str) -> None:
        """Let something happen to a phone after a while."""
        at = self.clock() + self.durations.draw(self.rng)
        self.agenda.add(Due(at, effect, phone.id, None, details))

    def bring_back(self, phone: Phone, begun: float) -> None:
        """Begin to restore what a backup took away."""
        phone.restore = Copying.EXECUTING
        self.agenda.add(Due(begun + self.durations.draw(self.rng), "restore", phone.id))

    def pay(self, order: str) -> None:
        """Pay for an order, so that its phones or servers are delivered after a while.

        Raises:
            KeyError: There is no such order.
        """
        if order in self.estate.orders:
            pay(self, self.estate.orders[order])
            return
        placed = self.orders[order]
        if not placed.paid:
            placed.paid = True
            for phone in placed.instances:
                self.later("run", self.fleet[phone])

    def start(
        self,
        operation: AnyOperation,
        phones: Iterable[Phone],
        work: Callable[[Phone, PhoneJob, str], None],
        prefix: str = "",
    ) -> StartedTask:
        """Start a task with one job for each phone.

        Args:
            operation: What is done, for the plan of faults.
            phones: To which phones.
            work: Begins the job of one phone, also of one that will fail; is given the task's id too.
            prefix: Begins the id of the task.
        """
        task = prefix + self.hex()
        started = self.tasks[task] = {}
        rows: list[StartedJob] = []
        for phone in phones:
            job = self._job(operation, phone)
            started[job.id] = job
            rows.append(StartedJob(phone.id, job.id))
            work(phone, job, task)
        return StartedTask(task, tuple(rows))

    def start_effect(
        self, operation: AnyOperation, phones: Iterable[Phone], effect: str, prefix: str, **details: str
    ) -> StartedTask:
        """Start a task whose jobs each end with something that happens to their phone."""

        def begin(phone: Phone, job: PhoneJob, task: str) -> None:
            end = FAILURES.get(effect) if job.code else effect
            if job.ends_at is not None and end is not None:
                self.agenda.add(Due(job.ends_at, end, phone.id, f"{task}/{job.id}", details))

        return self.start(operation, phones, begin, prefix)

    def _job(self, operation: AnyOperation, phone: Phone) -> PhoneJob:
        ends_at = self.clock() + self.durations.draw(self.rng)
        job = PhoneJob(self.hex(), operation.name, phone.id, ends_at)
        fate = self.plan.on_job(operation.name, phone.id)
        if isinstance(fate, Stick):
            job.ends_at = None
        elif isinstance(fate, Lose):
            job.is_lost = True
        elif isinstance(fate, Fail):
            job.failed(fate.code, message_of(fate.code) if fate.message is None else fate.message)
        return job

    def to_json(self) -> dict[str, Any]:
        """Everything but who may call and what will fail; times as the seconds that are left."""
        now = self.clock()
        return {
            "edition": self.edition.value,
            "fleet": self.fleet.snapshot(),
            "tasks": jobs.to_json(self.tasks, now),
            "agenda": self.agenda.to_json(now),
            "orders": [asdict(order) for order in self.orders.values()],
            "undelivered": sorted(self.undelivered),
            "sequences": self.sequences,
            "ledger": self.ledger.to_json(),
            "estate": self.estate.to_json(now),
        }

    def restore(self, said: Mapping[str, Any]) -> None:
        """Become what `to_json` said.

        Raises:
            ValueError: It was said of another edition, or of another fleet.
        """
        if said["edition"] != self.edition:
            raise ValueError("the snapshot is of another edition")
        now = self.clock()
        self.fleet.restore(said["fleet"])
        self.tasks = jobs.from_json(said["tasks"], now)
        self.agenda.restore(said["agenda"], now)
        self.orders = {order["id"]: PlacedOrder(**order) for order in said["orders"]}
        self.undelivered = set(said["undelivered"])
        self.sequences = dict(said["sequences"])
        self.ledger.restore(said["ledger"])
        self.estate.restore(said["estate"], now)
