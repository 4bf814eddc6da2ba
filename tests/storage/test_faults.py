import zipfile

import pytest
from aiohttp import (
    ClientConnectionError,
    ClientPayloadError,
    ClientResponseError,
    RequestInfo,
)
from botocore import exceptions
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from tagger.errors import RequestError
from tagger.storage.faults import in_words


def answer(code: str) -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (answer("InvalidObjectState"), OSError, "archived"),
        (answer("InvalidAccessKeyId"), OSError, "accept"),
        (answer("RequestTimeTooSkewed"), OSError, "clock"),
        (answer("PermanentRedirect"), OSError, "region"),
        (answer("404"), FileNotFoundError, "not there"),
        (answer("403"), PermissionError, "permit"),
        (answer("InternalError"), ConnectionError, "error"),
        (answer("SlowDown"), ConnectionError, "busy"),
        (exceptions.NoCredentialsError(), OSError, "no credentials"),
        (exceptions.ProfileNotFound(profile="x"), OSError, "no credentials"),
        (
            exceptions.EndpointConnectionError(endpoint_url="x"),
            TimeoutError,
            "answer",
        ),
        (exceptions.ReadTimeoutError(endpoint_url="x"), TimeoutError, "answer"),
        (ClientConnectionError("two\nlines"), TimeoutError, "answer"),
        (ClientPayloadError("half"), TimeoutError, "answer"),
        (TimeoutError(), TimeoutError, "answer"),
        (ConnectionResetError(104, "reset"), TimeoutError, "answer"),
        (zipfile.BadZipFile("no zip"), OSError, "damaged"),
        (ValueError("Invalid endpoint: u:word@host"), OSError, "AWS_ENDPOINT_URL"),
        (exceptions.InvalidRegionError(region_name="a b"), OSError, "AWS_REGION"),
    ],
)
def test_an_error_of_a_library_is_told_in_words(
    error: Exception, kind: type[OSError], told: str
) -> None:
    with pytest.raises(kind) as caught, in_words("shop"):
        raise error

    assert told in str(caught.value.strerror)
    assert "\n" not in str(caught.value)


def test_an_error_that_s3fs_translates_is_known_by_its_cause() -> None:
    with pytest.raises(OSError, match="expired"), in_words("shop"):
        raise PermissionError("two\nlines") from answer("ExpiredToken")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, FileNotFoundError), (400, OSError), (403, PermissionError)],
)
def test_a_file_of_a_web_server_is_gone_only_if_the_server_says_so(
    status: int, kind: type[OSError]
) -> None:
    info = RequestInfo(URL("http://shop"), "HEAD", CIMultiDictProxy(CIMultiDict()))
    said = ClientResponseError(info, (), status=status)

    with pytest.raises(OSError, match=r".") as caught, in_words("shop"):
        # As fsspec does for each error.
        raise FileNotFoundError("http://shop/a.jpg") from said

    assert type(caught.value) is kind


def test_a_failure_of_our_own_passes() -> None:
    with pytest.raises(RequestError, match="as it is"), in_words("shop"):
        raise RequestError("as it is")
