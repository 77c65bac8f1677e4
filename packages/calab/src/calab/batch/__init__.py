"""Many sessions: one output folder each, whatever happens in between.

`sessions` names what is to be done, `settings` how; `session` does one of them, in processes of
this machine (`workers`) or of a cluster (`cluster`); `ledger` knows what is finished and `summary`
shows it; `run` puts them together.
"""

from .run import run_batch
from .settings import BatchSettings

__all__ = ["BatchSettings", "run_batch"]
