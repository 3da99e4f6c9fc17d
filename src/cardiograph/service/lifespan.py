"""Start and stop of the application, and the background tasks: deleting what has expired, and monitoring."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from fastapi import FastAPI

from cardiograph.errors import RecordsError
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.monitoring import Monitoring
from cardiograph.service.state import Serving


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Log start and stop, delete expired data and watch the model meanwhile, and finish running jobs at the end."""
    serving: Serving = app.state.serving
    await asyncio.to_thread(serving.records.log.append, "service_started", serving.model_sha256)
    tasks = [
        asyncio.create_task(_delete_expired(serving)),
        asyncio.create_task(_watch(serving, app.state.monitoring)),
    ]
    yield
    for task in tasks:
        task.cancel()
    await serving.pool.close()
    with contextlib.suppress(RecordsError):
        await asyncio.to_thread(serving.records.log.append, "service_stopped", serving.model_sha256)
    serving.records.close()


async def _delete_expired(serving: Serving) -> None:
    """Drop expired queries every minute and delete expired predictions every hour."""
    days = serving.settings.retention_days
    for minute in itertools.count():
        serving.held.forget_old()
        expired = days is not None and minute % 60 == 0
        before = datetime.now(UTC) - timedelta(days=days or 0)
        with _going_on(serving, "retention"):
            await serving.with_records(partial(serving.records.prune, before) if expired else serving.records.forget)
        await asyncio.sleep(60)


async def _watch(serving: Serving, monitoring: Monitoring) -> None:
    """Renew the comparison of recent predictions when it is too old, so that its metrics are current."""
    while True:
        await asyncio.sleep(60)
        with _going_on(serving, "monitoring"):
            await monitoring.latest()


@contextlib.contextmanager
def _going_on(serving: Serving, work: str) -> Iterator[None]:
    """Log an error of work that is repeated, without its text, which may contain a value; the service goes on."""
    try:
        yield
    except ProblemError:
        pass  # logged already
    except Exception as error:  # noqa: BLE001
        serving.log.error(work, error=type(error).__name__)
