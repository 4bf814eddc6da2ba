"""Say in words why a store could not be read: each library has errors of its own.

Errors are known by the names of their classes and the codes of the answers, because the
libraries are optional. No text of theirs is passed on: it may have several lines, or
parts of a signed address.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tagger.errors import TaggerError

_GONE: Final = frozenset({"404", "410"})

_MEANINGS: Final[dict[type[OSError], dict[str, set[str]]]] = {
    OSError: {
        "the credentials have expired: renew them, and scan again": {
            "ExpiredToken",
            "ExpiredTokenException",
            "RefreshError",
            "RequestExpired",
            "SSOTokenLoadError",
            "TokenRefreshRequired",
            "TokenRetrievalError",
            "UnauthorizedSSOTokenError",
        },
        "no credentials found: put them where the store's own tools look, or into "
        "environment variables": {
            "401",
            "CredentialRetrievalError",
            "DefaultCredentialsError",
            "NoCredentialsError",
            "PartialCredentialsError",
            "ProfileNotFound",
        },
        "the store does not accept the credentials": {
            "AuthFailure",
            "AuthenticationFailed",
            "ClientAuthenticationError",
            "InvalidAccessKeyId",
            "InvalidToken",
            "SignatureDoesNotMatch",
        },
        "the clock of this computer is wrong": {"RequestTimeTooSkewed"},
        "archived: restore it in the store first": {
            "BlobArchived",
            "InvalidObjectState",
        },
        "the bucket is in another region: set AWS_REGION": {
            "301",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "PermanentRedirect",
        },
        "the archive is damaged": {"BadZipFile"},
    },
    ConnectionError: {
        "the store is too busy": {
            "429",
            "503",
            "RequestLimitExceeded",
            "ServiceUnavailable",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
        },
        "the store reports an error of its own": {"500", "502", "504", "InternalError"},
    },
    TimeoutError: {
        "the store does not answer": {
            "ClientConnectionError",
            "ClientPayloadError",
            "ConnectTimeoutError",
            "ConnectionClosedError",
            "ConnectionError",
            "EndpointConnectionError",
            "HTTPClientError",
            "IncompleteRead",
            "RequestTimeout",
            "ResponseParserError",
            "ServiceRequestError",
            "ServiceResponseError",
            "TimeoutError",
            "gaierror",
        },
    },
    FileNotFoundError: {
        "there is no bucket {bucket}": {
            "InvalidBucketName",
            "NoSuchBucket",
            "ParamValidationError",
        },
        "not there": {*_GONE, "FileNotFoundError", "NoSuchKey", "NoSuchVersion"},
    },
    PermissionError: {
        "the store does not permit these credentials to read it": {
            "403",
            "AccessDenied",
            "AllAccessDisabled",
            "AuthorizationFailure",
            "PermissionError",
        },
    },
}
"""The class that is raised, what the reader sees, and the names that mean it."""

_BAD_SETTINGS: Final = (
    "the address or the region of the store is not valid: check AWS_ENDPOINT_URL and "
    "AWS_REGION"
)


@contextmanager
def in_words(bucket: str) -> Iterator[None]:
    """Raise OSError, with the reason in `strerror`, in place of any library's error.

    FileNotFoundError, PermissionError and, if trying again may help, ConnectionError,
    or TimeoutError from a store that does not answer.
    """
    try:
        yield
    except TaggerError:
        raise
    except Exception as error:
        raise _translated(error, bucket) from error


def _translated(error: Exception, bucket: str) -> OSError:
    names = _names(error)
    statuses = {name for name in names if re.fullmatch("[345][0-9][0-9]", name)}
    if statuses and not statuses & _GONE:
        # fsspec raises it for whatever a web server answers.
        names.discard("FileNotFoundError")
    for kind, meanings in _MEANINGS.items():
        for reason, meant in meanings.items():
            if names & meant:
                return kind(errno.EIO, reason.format(bucket=bucket))
    if statuses:
        return OSError(errno.EIO, f"the store reports the status {min(statuses)}")
    if isinstance(error, ValueError):  # what a library says of its settings
        return OSError(errno.EIO, _BAD_SETTINGS)
    return OSError(errno.EIO, f"the store reports {type(error).__name__}")


def _names(error: BaseException) -> set[str]:
    """Return the codes in an error and its causes, and the names of their classes."""
    names: set[str] = set()
    cause: BaseException | None = error
    while cause is not None:
        names |= {kind.__name__ for kind in type(cause).__mro__}
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            names.add(str(response.get("Error", {}).get("Code", "")))
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
            names.add(str(status))
        # aiohttp warns of its old `code`.
        status = "status" if hasattr(cause, "status") else "code"
        for field in (status, "status_code", "error_code"):
            names.add(str(getattr(cause, field, "")))
        cause = cause.__cause__
    return names
