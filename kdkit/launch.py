"""Whether this process is one of several that a launcher started, as the launcher's variables say."""

from __future__ import annotations

import os
from collections.abc import Mapping

# Lightning does not take an allocation with such a name for a batch job either.
_INTERACTIVE = ("bash", "interactive")


def rank(environment: Mapping[str, str] = os.environ) -> int:
    """The number of this process among those that work together; 0 when it is alone or the first.

    A number alone proves nothing: independent jobs of an array and shells left over have one, too. It is believed
    where a launcher says that there is more than one process and where they meet (torchrun, Lightning), or where
    ``srun`` started several tasks.
    """
    if is_slurm_step(environment):
        return int(environment["SLURM_PROCID"])
    if not environment.get("MASTER_ADDR"):
        return 0
    if _count(environment, "WORLD_SIZE") > 1 and environment.get("RANK", "").isdigit():
        return int(environment["RANK"])
    # Lightning numbers the processes of a machine, and the machines; it sets no RANK.
    if _count(environment, "WORLD_SIZE", 2) > 1:
        return _count(environment, "LOCAL_RANK") + _count(environment, "NODE_RANK")
    return 0


def is_slurm_step(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ``srun`` started this process as one of several tasks; not so in the shell of an allocation."""
    tasks = _count(environment, "SLURM_STEP_NUM_TASKS", _count(environment, "SLURM_NTASKS"))
    return (
        tasks > 1
        and environment.get("SLURM_PROCID", "").isdigit()
        and environment.get("SLURM_JOB_NAME") not in _INTERACTIVE
    )


def _count(environment: Mapping[str, str], name: str, default: int = 0) -> int:
    text = environment.get(name, "")
    return int(text) if text.isdigit() else default
