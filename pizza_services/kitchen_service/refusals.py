"""What this service's own errors are on the wire: the one place where they become problems."""

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from faults import SimulatedError
from ledger import AlreadyCancelled, UnknownOrder
from problems import problem
from state_store import StoreFailed

log = logging.getLogger("refusals")


def install(app: FastAPI) -> None:
    """Gives each error its status."""
    app.add_exception_handler(AlreadyCancelled, _cancelled)
    app.add_exception_handler(UnknownOrder, _unknown)
    app.add_exception_handler(StoreFailed, _store_failed)
    app.add_exception_handler(SimulatedError, _simulated)


async def _cancelled(_: Request, error: Exception) -> JSONResponse:
    return problem(409, str(error), code="ALREADY_CANCELLED")


async def _unknown(_: Request, error: Exception) -> JSONResponse:
    return problem(404, str(error))


async def _store_failed(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StoreFailed)
    log.warning(error.detail, extra={"fields": {"dependency": error.dependency, "reason": error.reason}})
    code = {"errorCode": error.error_code} if error.error_code else {}
    return problem(error.status, error.detail, None, dependency=error.dependency, **code)


async def _simulated(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SimulatedError)
    log.warning(str(error), extra={"fields": {"status": error.status}})
    return problem(error.status, str(error))
