"""A real S3 server on the loopback, and what counts its requests and makes it fail."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "",
    "AWS_SHARED_CREDENTIALS_FILE": "",
    "AWS_EC2_METADATA_DISABLED": "true",
}

Fault = Callable[[str, str], "tuple[str, bytes] | None"]
"""Takes method and path of a request; returns a status line and body to fail with."""


def error(status: str, code: str) -> tuple[str, bytes]:
    """An answer of S3 that reports an error."""
    text = (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    )
    return status, text.encode()


class Store:
    """An S3 server; `requests` counts what it was asked, by bucket and kind."""

    def __init__(self) -> None:
        self.requests: dict[str, Counter[str]] = {}
        self.fault: Fault = lambda _method, _path: None
        self._application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.environment = ENVIRONMENT | {"AWS_ENDPOINT_URL": self.url}
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        self.fault = fault
        try:
            yield
        finally:
            self.fault = lambda _method, _path: None

    def bucket(self, name: str) -> "Bucket":
        return Bucket(self, name)

    def _answer(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        query = environ.get("QUERY_STRING", "")
        kind = "LIST" if method == "GET" and "list-type=2" in query else method
        asked = self.requests.setdefault(path.split("/")[1], Counter())
        asked[kind] += 1
        if failed := self.fault(kind, path):
            start_response(failed[0], [("Content-Type", "application/xml")])
            return [failed[1]]
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        """Print nothing."""


class Bucket:
    """A bucket of a store, to put files into."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self.url = f"s3://{name}"
        self._backend().create_bucket(name, "us-east-1")

    @property
    def requests(self) -> Counter[str]:
        """How often the bucket was asked, by kind; what the test puts is not asked."""
        return self.store.requests.setdefault(self.name, Counter())

    def put(self, key: str, content: bytes) -> None:
        self._backend().put_object(self.name, key, content)

    def put_all(self, files: Mapping[str, bytes]) -> None:
        for key, content in files.items():
            self.put(key, content)

    def put_folder(self, folder: Path, prefix: str) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                key = f"{prefix}/{path.relative_to(folder).as_posix()}"
                self.put(key, path.read_bytes())

    def delete(self, key: str) -> None:
        self._backend().delete_object(self.name, key)

    def clear(self) -> None:
        keys = self._backend().buckets[self.name].keys
        for key in list(keys):
            self.delete(key)

    @staticmethod
    def _backend() -> Any:  # noqa: ANN401  moto's own, whose types say little
        from moto.backends import get_backend
        from moto.core.models import DEFAULT_ACCOUNT_ID

        return get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"]


def one_in(number: int, kind: str = "GET") -> Fault:
    """A fault of every n-th request of a kind."""
    count = 0

    def fault(method: str, _path: str) -> tuple[str, bytes] | None:
        nonlocal count
        if method != kind:
            return None
        count += 1
        return error("503 Slow Down", "SlowDown") if count % number == 0 else None

    return fault


def silent(seconds: float) -> Fault:
    """A store that answers nothing for a while."""

    def fault(_method: str, _path: str) -> tuple[str, bytes] | None:
        time.sleep(seconds)
        return error("500 Internal Server Error", "InternalError")

    return fault
