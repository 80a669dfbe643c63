"""The workers that there are: whether they are alike, how much memory they have, whether they see the study's folder.

All of them are asked at once. One that dies while it is asked is left out: the scheduler notices that by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from heschl.checks import InputError
from heschl.study.analyses.analysis import StageCost
from heschl.study.analyses.failures import reason
from heschl.study.cluster.worker import Site, check_versions, sees, versions
from heschl.study.work.progress import Reporter

if TYPE_CHECKING:
    from distributed import Client

DEATHS = 5
"""Of workers, one after the other, while they are told what they have."""


def ready_workers(client: Client, site: Site, report: Reporter) -> tuple[int, list[str]]:
    """Wait for workers, check them, and let them say what they have.

    Parameters
    ----------
    client : Client
    site : Site
        With the mark that workers look for.
    report : Reporter
        Told where there are none yet.

    Returns
    -------
    number of workers, addresses of those that do not see the folder

    Raises
    ------
    InputError
        For workers that are of another version.
    """
    found: dict[str, Any] = {}
    while not found:
        if not known(client):
            report.say("no workers yet: waiting for the first")
            client.wait_for_workers(1)
        found = _asked(client, versions)
    for address, here in found.items():
        if isinstance(here, BaseException):
            raise InputError(
                f"worker {address}", f"no heschl like this one there ({reason(here)})", "the client's environment",
                "Install the same environment on all machines.",
            )  # fmt: skip
        check_versions(site.versions, here, address)
    register(client)
    blind = sorted(address for address, seen in _asked(client, sees, site).items() if not seen)
    return len(found), blind


def check_memory(client: Client, costs: Mapping[str, StageCost]) -> None:
    """Refuse pieces for which no worker has the memory.

    Raises
    ------
    InputError
        Which says how much the largest worker has.
    """
    from heschl.study.cluster.plugin import MEMORY

    largest = max((worker["resources"].get(MEMORY, 0.0) for worker in known(client).values()), default=float("inf"))
    for title, cost in costs.items():
        if cost.memory > largest:
            raise InputError(
                f"memory for {title}", f"{cost.memory / 1e9:.1f} GB",
                f"{largest / 1e9:.1f} GB, which the largest worker has to give",
                "Fewer and larger workers, or fewer lags (encoding.tmax).",
            )  # fmt: skip


def have_gpus(client: Client) -> bool:
    """Return whether any worker has a GPU to give."""
    from heschl.study.cluster.plugin import GPU

    return any(worker["resources"].get(GPU, 0.0) > 0 for worker in known(client).values())


def known(client: Client) -> dict[str, Any]:
    """Return what the scheduler knows of its workers, by address."""
    found: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return found


def _asked(client: Client, function: Any, *arguments: Any) -> dict[str, Any]:
    """Call a function on every worker; errors are answers, workers that are gone meanwhile are left out."""
    answers: dict[str, Any] = client.run(function, *arguments, on_error="return")
    return {address: answer for address, answer in answers.items() if not isinstance(answer, OSError)}


def register(client: Client) -> None:
    """Give every worker the plugin, now and as they come; again where one dies meanwhile."""
    from heschl.study.cluster.plugin import Resources

    for _ in range(DEATHS):
        try:
            client.register_plugin(Resources())
            return
        except OSError:  # the connection of a worker that is gone
            continue
    client.register_plugin(Resources())
