"""The application behind the guard: its routes, its own files, and what is answered when something goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from event_model.errors import OvertError
from overt.review.assets import FILES
from overt.review.desk import Desk
from overt.review.pages import film, forget, join, settings, studies, timeline, today, uploads

__all__ = ["Desk", "make_app"]


def make_app(desk: Desk) -> Starlette:
    """Make the application; it trusts that the guard let the request through."""

    async def static(request: Request) -> Response:
        found = FILES.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        data, kind = found
        return Response(data, media_type=kind)

    async def failed(request: Request, error: Exception) -> Response:
        assert isinstance(error, OvertError)
        return desk.sorry(request, error)

    async def missing(request: Request, error: Exception) -> Response:
        del error
        return desk.page(request, "missing.html", status=404)

    routes: list[BaseRoute] = [Route("/static/{name}", static)]
    for module in (today, timeline, film, forget, studies, join, uploads, settings):
        routes += module.routes(desk)
    handlers: dict[object, Callable[[Request, Exception], Awaitable[Response]]] = {
        OvertError: failed,
        HTTPException: missing,
    }
    return Starlette(routes=routes, exception_handlers=handlers)
