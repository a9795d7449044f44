"""The language of a request: the one chosen in this browser (a cookie), else the best that the browser accepts."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import InvalidInput, NotFound
from app.core.texts import SOURCE, best_language, languages, speaking
from app.web.addresses import own_path
from app.web.cookies import read_cookie, set_cookie
from app.web.dependencies import FormFields, public, require_signed_in
from app.web.script_texts import script_texts
from app.web.templating import redirect

router = APIRouter(include_in_schema=False)
_YEAR: Final = 365 * 86_400


class Languages:
    """ASGI middleware: everything that answers a request speaks its language."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on in its language."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        chosen = best_language(read_cookie(request, "language"), request.headers.get("accept-language", ""))
        with speaking(chosen):
            await self.app(scope, receive, send)


@router.post("/language", dependencies=[Depends(require_signed_in())])
def choose_language(form: FormFields) -> Response:
    """Keep a choice of language in this browser; an empty one goes back to the browser's own."""
    chosen = str(form.get("language", ""))
    if chosen and chosen not in languages():
        raise InvalidInput(f"the languages are {', '.join(languages())}; received {chosen[:20]!r}")
    response = redirect(own_path(str(form.get("next", "/"))))
    set_cookie(response, "language", chosen, seconds=_YEAR if chosen else 0)
    return response


@router.get("/texts/{language}.json", dependencies=[Depends(public)])
def texts_of_scripts(language: Annotated[str, Path(max_length=20)]) -> Response:
    """The texts of the page scripts in a language: `{message: translation}`, plural ones `{message: [forms]}`."""
    if language == SOURCE or language not in languages():
        raise NotFound(f"no texts for the language {language!r}")
    return Response(
        script_texts(language), media_type="application/json", headers={"Cache-Control": "max-age=31536000, immutable"}
    )
