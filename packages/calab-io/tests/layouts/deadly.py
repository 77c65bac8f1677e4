"""A session that kills the process that works on it, as a want of memory does."""

from __future__ import annotations

import os
import signal

from calab.batch.session import Task
from calab.batch.settings import BatchSettings

__all__ = ["Deadly"]


class Deadly(Task):
    """Found out only when it is worked on."""

    def effective(self) -> BatchSettings:
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)
        return super().effective()
