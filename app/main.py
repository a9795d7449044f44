"""The web application, assembled (`uvicorn --factory app.main:create_app`), and the identify API alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from app.assembly import fields as _filter_fields  # noqa: F401 - filters know every domain's fields by it
from app.assembly import following as _followers  # noqa: F401 - images may change where it is imported
from app.assembly import needing as _needs  # noqa: F401 - old results go only where it is imported
from app.assembly.background import BACKGROUND, SERVING, Background
from app.assembly.routers import ROUTERS, SERVE_ROUTERS
from app.core.logging import configure_logging
from app.core.settings import ROOT
from app.projects.gatekeeper import MemberGatekeeper
from app.web import error_handlers
from app.web.headers import SecurityHeaders
from app.web.languages import Languages
from app.web.limits import BodyLimit
from app.web.trail import RequestTrail


def _beside(background: Background) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """A lifespan in which `background` runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        configure_logging()
        stack = ExitStack()
        try:
            for start in background:
                await run_in_threadpool(stack.enter_context, start())
            yield
        finally:
            await run_in_threadpool(stack.close)

    return lifespan


def _assembled(routers: Sequence[APIRouter], background: Background) -> FastAPI:
    """Routers, errors, headers, limits. Settings are read when requests come, not here."""
    app = FastAPI(title="Winnow", openapi_url=None, docs_url=None, redoc_url=None, lifespan=_beside(background))
    app.state.gatekeeper = MemberGatekeeper()
    for router in routers:
        app.include_router(router)
    error_handlers.install(app)
    app.add_middleware(BodyLimit, routes_of=app)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Languages)
    app.add_middleware(RequestTrail)
    return app


def create_app() -> FastAPI:
    """Every page and the whole API."""
    app = _assembled(ROUTERS, BACKGROUND)
    app.mount("/static", StaticFiles(directory=ROOT / "static"), name="static")
    return app


def create_serve_app() -> FastAPI:
    """The identify API alone, with its description and its health, kept up apart from the pages: `winnow serve`."""
    return _assembled(SERVE_ROUTERS, SERVING)
