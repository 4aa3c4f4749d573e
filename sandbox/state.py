"""The state of one running sandbox, which its parts share."""

from __future__ import annotations

from collections import Counter

from .accounts import Accounts
from .callbacks import CallbackSender
from .clock import Clock
from .faults.rates import Rates
from .ledger import Ledger
from .options import Options
from .tasks import Task


class SandboxState:
    """The clock, the accounts, the ledger and the accepted tasks of one sandbox."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = Clock(options.speed)
        self.accounts = Accounts(self.clock, options.credit)
        self.ledger = Ledger(options.log)
        self.callbacks = CallbackSender(self.clock, self.ledger)
        self.rates = Rates(options.faults, options.seed)
        self.tasks: dict[str, Task] = {}
        self.busy: Counter[tuple[str, str]] = Counter()
        """The number of busy refusals by provider and prompt."""

    def find_task(self, api: str, task_id: object) -> Task | None:
        """Return a task that was submitted to this API."""
        task = self.tasks.get(task_id) if isinstance(task_id, str) else None
        return task if task and task.api == api else None
