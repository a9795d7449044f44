"""What routes declare: who may call them. Every route has exactly one rule, or a test fails.

    access: Annotated[Access, Depends(require("labeller"))]        # in a path with {slug}; API tokens too
    access: Annotated[Access, Depends(require("labeller"))]        # without {slug}: the API token's project
    caller: Annotated[Caller, Depends(require_signed_in())]        # a person, no token
    caller: Annotated[Caller, Depends(require_administrator())]    # an administrator of the installation
    dependencies=[Depends(public)]                                 # anyone

Each rule refuses forged requests as well. It opens and closes its own read session: no transaction is open while the
route works. Bodies are best read by `FormFields` or `RawBody`, placed after the rule: then nobody uploads who may not.
"""

# No deferred annotations here: the rules are closures, and FastAPI could not look up what they refer to.

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import FormData

from app.core.errors import Forbidden, NotSignedIn
from app.web.access import Access, Caller, Gatekeeper, RoleName
from app.web.cookies import read_cookie
from app.web.csrf import SAFE_METHODS, check_charset, check_origin, check_token

_bearer = HTTPBearer(auto_error=False, description="An API token, made on the account page.")


@dataclass(frozen=True)
class AccessRule:
    """What a route asks of its caller, for the tests that walk every route."""

    kind: str
    role: RoleName | None = None


_RULES: dict[Callable[..., Any], AccessRule] = {}


def rule_of(dependency: Callable[..., Any] | None) -> AccessRule | None:
    """The rule that a dependency stands for, or None when it is none."""
    return _RULES.get(dependency) if dependency is not None else None


def gatekeeper_of(request: Request) -> Gatekeeper:
    """Whoever decides in this application."""
    gatekeeper: Gatekeeper = request.app.state.gatekeeper
    return gatekeeper


def identify_caller(
    request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Caller | None:
    """The caller, or None. Kept in `request.state.caller`, where templates and error pages find it."""
    token = bearer.credentials if bearer else None
    caller = gatekeeper_of(request).identify(session_token=read_cookie(request, "session"), bearer=token)
    request.state.caller = caller
    return caller


CallerOrNone = Annotated[Caller | None, Depends(identify_caller)]


def _signed_in(request: Request, caller: Caller | None, *, ready: bool = True) -> Caller:
    if caller is None:
        sent = "authorization" in request.headers
        raise NotSignedIn("This API token is unknown, revoked or expired." if sent else "Sign in first.")
    if ready and caller.must_change_password:
        raise Forbidden("Choose a password of your own first.", code="password_change_needed")
    return caller


async def refuse_forged(request: Request, caller: CallerOrNone) -> AsyncIterator[None]:
    """Unsafe methods need the right origin and the session's token; API tokens travel in a header no browser adds."""
    check_charset(request)
    if request.method not in SAFE_METHODS and (caller is None or caller.token is None):
        check_origin(request)
        await check_token(request)
    yield
    await request.close()


NotForged = Annotated[None, Depends(refuse_forged)]


def require(role: RoleName, *, archived_too: bool = False) -> Callable[..., Access]:
    """The caller with at least `role` in the project of the path's `{slug}`, else of the API token.

    Who is no member gets 404. In an archived project, writes above viewer are refused unless `archived_too`.
    """

    def admit(request: Request, caller: CallerOrNone) -> Access:
        access = gatekeeper_of(request).admit(
            _signed_in(request, caller),
            slug=request.path_params.get("slug"),
            role=role,
            writes=request.method not in SAFE_METHODS,
            archived_too=archived_too,
        )
        request.state.access = access
        return access

    def rule(access: Annotated[Access, Depends(admit)], _: NotForged) -> Access:
        return access

    _RULES[rule] = AccessRule("project", role)
    return rule


def require_signed_in(*, before_password_change: bool = False) -> Callable[..., Caller]:
    """A signed-in person. API tokens are refused: they open their project and nothing else."""

    def admit(request: Request, caller: CallerOrNone) -> Caller:
        known = _signed_in(request, caller, ready=not before_password_change)
        if known.token is not None:
            raise Forbidden("An API token opens its project only.")
        return known

    def rule(caller: Annotated[Caller, Depends(admit)], _: NotForged) -> Caller:
        return caller

    _RULES[rule] = AccessRule("signed_in")
    return rule


def require_administrator() -> Callable[..., Caller]:
    """A signed-in administrator of the installation."""

    def admit(request: Request, caller: CallerOrNone) -> Caller:
        known = _signed_in(request, caller)
        if known.token is not None or not known.is_administrator:
            raise Forbidden("Only an administrator of the installation may do this.")
        return known

    def rule(caller: Annotated[Caller, Depends(admit)], _: NotForged) -> Caller:
        return caller

    _RULES[rule] = AccessRule("administrator")
    return rule


def public(_: NotForged) -> None:
    """Marks a route that anyone may call."""


_RULES[public] = AccessRule("public")


async def _read_form(request: Request) -> AsyncIterator[FormData]:
    async with request.form() as form:
        yield form


async def _read_body(request: Request) -> bytes:
    return await request.body()


FormFields = Annotated[FormData, Depends(_read_form)]
RawBody = Annotated[bytes, Depends(_read_body)]
CurrentUser = Annotated[Caller, Depends(require_signed_in())]
