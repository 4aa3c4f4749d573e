"""Everything that one running sandbox holds, handed to each of its parts."""

from __future__ import annotations

from collections import Counter

from .accounts import Accounts
from .callbacks import CallbackSender
from .clock import Clock
from .ledger import Ledger
from .options import Options
from .rates import Rates
from .tasks import Task


class SandboxState:
    """One sandbox: its clock, its books and the tasks it has accepted."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = Clock(options.speed)
        self.accounts = Accounts(self.clock)
        self.ledger = Ledger(options.log)
        self.courier = CallbackSender(self.clock, self.ledger)
        self.rates = Rates(options.faults, options.seed)
        self.tasks: dict[str, Task] = {}
        self.busy: Counter[tuple[str, str]] = Counter()
        """How often a prompt was refused as busy, by provider and prompt."""

    def find(self, wire: str, task_id: object) -> Task | None:
        """Return a task that was submitted on this wire."""
        task = self.tasks.get(task_id) if isinstance(task_id, str) else None
        return task if task and task.wire == wire else None
