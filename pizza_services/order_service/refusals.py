"""What this service's own errors are on the wire: the one place where they become problems."""

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from orders import OrderConflict, UnknownOrder
from problems import problem
from state_store import StoreFailed

log = logging.getLogger("refusals")


def install(app: FastAPI) -> None:
    """Gives each error its status."""
    app.add_exception_handler(UnknownOrder, _unknown)
    app.add_exception_handler(OrderConflict, _conflict)
    app.add_exception_handler(StoreFailed, _store_failed)


async def _unknown(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, UnknownOrder)
    # pizza-workflow lets a finished order start again only when it sees that its run was deleted.
    members = {"code": "ORDER_DELETED", "run": error.run} if error.deleted else {}
    return problem(404, str(error), None, **members)


async def _conflict(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OrderConflict)
    return problem(409, str(error), code=error.code)


async def _store_failed(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StoreFailed)
    log.warning(error.detail, extra={"fields": {"dependency": error.dependency, "reason": error.reason}})
    code = {"errorCode": error.error_code} if error.error_code else {}
    return problem(error.status, error.detail, None, dependency=error.dependency, **code)
