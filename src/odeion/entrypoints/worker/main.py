"""The worker process: arq jobs that run tasks, the outbox relay, and the sweeps."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
import uvloop
from arq.connections import ArqRedis
from arq.worker import Worker, func

from odeion.domain.shared.errors import OdeionError
from odeion.domain.shared.ids import TaskId
from odeion.entrypoints.container import (
    RUN_TASK,
    SWEEP,
    TASK_QUEUE,
    Container,
    json_deserializer,
    json_serializer,
    open_container,
)
from odeion.entrypoints.logging import configure_logging
from odeion.entrypoints.serving import stop_requested
from odeion.entrypoints.settings import Settings
from odeion.entrypoints.use_cases import WorkerUseCases

log = structlog.get_logger(__name__)

_RELAY_INTERVAL_S = 0.25
_SWEEP_INTERVAL_S = 5.0
_REAP_INTERVAL_S = 15.0
_PURGE_INTERVAL_S = 3600.0
# arq only wakes; how long a task may take is the lease's matter.
_JOB_TIMEOUT_S = 7 * 24 * 3600
_MAX_JOBS = 4
_CONTEXT = "use_cases"


async def run_task(context: dict[Any, Any], task_id: int) -> None:
    await _use_cases(context).tasks.run(TaskId(task_id))


async def sweep(context: dict[Any, Any]) -> None:
    await _use_cases(context).tasks.sweep()


def _use_cases(context: dict[Any, Any]) -> WorkerUseCases:
    use_cases: WorkerUseCases = context[_CONTEXT]
    return use_cases


async def work(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    stopping = stop_requested()
    async with open_container(settings) as container:
        use_cases = container.worker_use_cases()
        routines = [
            asyncio.create_task(_every(_RELAY_INTERVAL_S, "relay", use_cases.relay.drain)),
            asyncio.create_task(_every(_SWEEP_INTERVAL_S, "sweep", use_cases.tasks.sweep)),
            asyncio.create_task(_every(_REAP_INTERVAL_S, "reaper", use_cases.playback_sessions.reap)),
            asyncio.create_task(_every(_REAP_INTERVAL_S, "sweep of encoders", use_cases.transcode_runs.sweep)),
            asyncio.create_task(_every(_PURGE_INTERVAL_S, "purge", use_cases.relay.purge)),
            asyncio.create_task(_every(_PURGE_INTERVAL_S, "purge of tickets", use_cases.identity.purge)),
            asyncio.create_task(
                _every(_PURGE_INTERVAL_S, "purge of debugging", use_cases.playback_administration.purge)
            ),
            asyncio.create_task(_serve_queue(container, use_cases)),
        ]
        await stopping.wait()
        for routine in routines:
            routine.cancel()
        await asyncio.gather(*routines, return_exceptions=True)


async def _serve_queue(container: Container, use_cases: WorkerUseCases) -> None:
    """arq's worker; when Redis goes away it ends, and is started again until Redis is back."""
    arq: ArqRedis = container.arq()
    while True:
        worker = Worker(
            functions=[
                func(run_task, name=RUN_TASK, timeout=_JOB_TIMEOUT_S, keep_result=0, max_tries=1),  # type: ignore[arg-type]
                func(sweep, name=SWEEP, timeout=60, keep_result=0, max_tries=1),  # type: ignore[arg-type]
            ],
            queue_name=TASK_QUEUE,
            redis_pool=arq,
            ctx={_CONTEXT: use_cases},
            handle_signals=False,
            max_jobs=_MAX_JOBS,
            poll_delay=0.2,
            job_serializer=json_serializer,
            job_deserializer=json_deserializer,
            allow_abort_jobs=False,
        )
        try:
            await worker.async_run()
        except asyncio.CancelledError:
            for job in worker.tasks.values():
                job.cancel()
            await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
            raise
        except Exception as error:
            log.warning("the queue is not reachable; trying again", error=str(error))
        await asyncio.sleep(1)


async def _every(interval_s: float, name: str, action: Any) -> None:
    """Do it again and again; a fault is told and does not end it."""
    failing = False
    while True:
        try:
            await action()
            failing = False
        except OdeionError as error:
            if not failing:
                log.warning(f"the {name} has to wait", error=error.message)
            failing = True
        except Exception:
            log.exception(f"the {name} failed")
        await asyncio.sleep(interval_s)


def run(settings: Settings) -> None:
    configure_logging(settings.log_level)
    uvloop.run(work(settings))


if __name__ == "__main__":
    run(Settings())
