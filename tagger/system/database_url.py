"""Parse the URL of a database on a server, and show it without its password."""

import re
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from tagger.errors import RequestError

SCHEMES: Final = ("postgresql", "postgresql+psycopg", "postgres")
"""What a URL of a PostgreSQL database begins with; they mean the same."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_MISSPELT: Final = re.compile(
    r"\s*(?:\w+:)?postgres(?:ql)?(?:\+\w+)?(?::|//)"
    r"|\s*(?:dbname|host|hostaddr|password|port|service|user)\s*=",
    re.IGNORECASE,
)
"""What begins as a URL of PostgreSQL with a slip, or in the other form of libpq."""

_MALFORMED: Final = re.compile(r"\s|#|%(?![0-9A-Fa-f]{2})|%00")
"""What libpq refuses in a URL with a message that repeats the password, or a part."""

_SECRET: Final = frozenset({"password", "passfile", "sslpassword"})
"""Parameters of a URL that are not shown, and do not tell two databases apart."""

_NO_MATTER: Final = _SECRET | {"user", "connect_timeout", "application_name"}
_PORT: Final = 5432

_HOW_TO_WRITE: Final = (
    "in its password, write % as %25, @ as %40, / as %2F, ? as %3F, # as %23 and a "
    "space as %20"
)


class DatabaseUrl:
    """The URL of a PostgreSQL database. Its text and its repr never have the password.

    Raises RequestError if it cannot be such a URL. It does not change. It is no
    dataclass, whose `asdict` would show all fields.
    """

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        if scheme.lower() not in SCHEMES:
            raise RequestError(
                f"an inventory cannot be at {scheme}://: give a file, or a URL as "
                "postgresql://user@host/name"
            )
        self._secret = f"postgresql://{rest}"
        self._shown = _without_password(self._secret)

    @property
    def secret(self) -> str:
        """The URL with its password, as libpq reads it.

        https://www.postgresql.org/docs/current/libpq-connect.html, "Connection URIs".
        """
        return self._secret

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"DatabaseUrl({self._shown!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DatabaseUrl) and self._secret == other._secret

    def __hash__(self) -> int:
        return hash(self._secret)

    @property
    def name(self) -> str:
        """The name of the database; empty if the server or a service file chooses."""
        return self._named.get("dbname", "")

    def exists(self) -> bool:
        """Whether there may be an inventory: True, since only the server knows."""
        return True

    @property
    def identity(self) -> str:
        """A text that tells databases apart: server, name and schema, without user."""
        kept = {k: v for k, v in self._named.items() if k not in _NO_MATTER}
        return urlencode(sorted(kept.items()))

    @cached_property
    def _named(self) -> dict[str, str]:
        parts = urlsplit(self.secret)
        host = parts.netloc.rpartition("@")[2]
        address, _, port = host.rpartition(":") if _has_port(host) else (host, "", "")
        named = {"host": address or "localhost", "port": port or str(_PORT)}
        if parts.path.strip("/"):
            named["dbname"] = unquote(parts.path.strip("/"))
        return named | dict(parse_qsl(parts.query))


Place = Path | DatabaseUrl
"""Where an inventory is: a SQLite file, or a database on a server."""


def is_url(text: str) -> bool:
    """Whether a text is a URL rather than the name of a file."""
    return _SCHEME.match(text) is not None


def place(text: str) -> Place:
    """Parse a file name or a URL.

    Raises RequestError for a URL of another kind, or a misspelt one, which as the name
    of a file would be shown with its password. The message does not repeat it.
    """
    if is_url(text):
        return DatabaseUrl(text)
    if _MISSPELT.match(text):
        raise RequestError(
            "the inventory is named by a misspelt URL: write postgresql://user@host/name"
        )
    return Path(text)


def _has_port(host: str) -> bool:
    return re.search(r":\d*$", host) is not None


def _without_password(url: str) -> str:
    """Return a URL without its password.

    Raises RequestError if it is not clear where that is, or if libpq could not read it.

    The character @ ends the password: a password that has it, or one that ends the host
    early, would be shown as a part of the host.
    """
    if _MALFORMED.search(url):
        raise RequestError(f"the URL of the inventory is not valid: {_HOW_TO_WRITE}")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise RequestError(f"the URL of the inventory is not valid: {error}") from error
    before, at, host = parts.netloc.rpartition("@")
    if "@" in before or "@" in parts.path + parts.query + parts.fragment:
        raise RequestError(f"the URL of the inventory is ambiguous: {_HOW_TO_WRITE}")
    user = before.partition(":")[0]
    told = [(k, v) for k, v in parse_qsl(parts.query) if k not in _SECRET]
    query = urlencode(told, safe="/", quote_via=quote)
    # urlunsplit leaves out the slashes before an empty host.
    shown = f"{parts.scheme}://{user}{at}{host}{parts.path}"
    return f"{shown}?{query}" if query else shown
