"""What account forms take and what account queries return."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from app.core.errors import InvalidInput
from app.web.access import RoleName

_NAME = re.compile(r"\w[\w.@+ -]{0,62}\w|\w")


def tidy_user_name(text: str) -> str:
    """A user name as it is stored and looked up: NFKC, case-folded. Raises InvalidInput when it breaks the rule."""
    name = unicodedata.normalize("NFKC", text).casefold().strip()
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "A user name has 1 to 64 letters, digits or . _ @ + - and begins and ends with a letter or digit.",
            detail={"fields": {"name": "has signs that a user name may not have"}},
        )
    return name


def _tidy(text: str) -> str:
    try:
        return tidy_user_name(text)
    except InvalidInput as error:
        raise ValueError(error.message) from error


UserName = Annotated[str, Field(max_length=200), AfterValidator(_tidy)]
Secret = Annotated[str, Field(max_length=1024)]


class SignIn(BaseModel):
    """The sign-in form."""

    name: Annotated[str, Field(max_length=200)]
    password: Secret
    next: Annotated[str, Field(max_length=2000)] = "/"


class FirstAdministrator(BaseModel):
    """The form behind the set-up link."""

    name: UserName
    password: Secret


class NewUser(BaseModel):
    """A user made by an administrator."""

    name: UserName
    is_administrator: bool = False


class PasswordChange(BaseModel):
    """Changing one's own password."""

    current: Secret
    password: Secret


class NewToken(BaseModel):
    """An API token for one project. `days` None: it does not expire."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    project: Annotated[str, Field(max_length=100)]
    role: RoleName
    days: Annotated[int, Field(ge=1, le=3650)] | None = None


@dataclass(frozen=True)
class UserRow:
    """A user in the administrators' list."""

    id: int
    name: str
    is_administrator: bool
    is_active: bool
    must_change_password: bool
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True)
class TokenRow:
    """A token in its owner's list."""

    id: int
    name: str
    prefix: str
    project_id: int
    role: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
