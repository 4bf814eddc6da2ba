"""The engine `ray`: prepare and classify on the nodes of a Ray cluster.

This process never imports Ray: Ray ends any process that is connected to it, at once
and without a message, when its cluster is gone. So `ray_gateway` holds the connection
in a process of its own. If that ends early, this one reports the error in one line, and
keeps what is recorded.

Only a bounded number of files is under way, so that memory here and in the cluster
stays the same however many files there are.
"""

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, Final, Self, TypeVar

from tagger.engine.interface import Batch, EngineChoice, Picture, Prepared
from tagger.errors import EngineError, MissingExtraError, RequestError
from tagger.records import IMAGE_SIDE, VIEWS, Prediction
from tagger.system.signals import Interruption

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tagger.bundles.bundle import Bundle
    from tagger.records import Runtime

BLOCK: Final = 32
"""Files that an actor prepares at a time. Their views are 75 KB; Ray sends results of
up to 100 KB directly, without its object store."""

_BLOCKS_EACH: Final = 4
"""Blocks under way for each worker: two at the worker, and two for when one picture
takes long and the others run ahead of it."""

_BATCHES: Final = 4
"""Batches that are classified while later pictures are prepared."""

_START_SECONDS: Final = 90
"""Longest time to connect to a cluster, or to start one: 3 s on an idle machine."""

_REACH_SECONDS: Final = 5
_END_SECONDS: Final = 20
_STOP_SECONDS: Final = 5
"""Seconds without a result after which a stopped scan waits no longer for files that
are under way."""

_PROGRAM: Final = (
    "import sys; sys.path[:] = {}; import tagger.engine.ray_gateway as g; g.serve()"
)
_ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray reports to its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns that this will change
}
_GONE: Final = (
    "the Ray cluster is gone; finished work is saved. Start the cluster and scan again"
)

T = TypeVar("T")


def check_ray(choice: EngineChoice) -> None:
    """Check that Ray is installed and that the address is that of a server.

    Raises MissingExtraError, RequestError for what is not an address, and EngineError
    if nothing answers there.
    """
    from importlib.util import find_spec  # noqa: PLC0415  only for this engine

    if find_spec("ray") is None:
        raise MissingExtraError("the engine 'ray'", "Ray", "ray")
    if choice.address in {None, "auto"}:
        return
    import socket  # noqa: PLC0415  only for this engine

    host, port = _host_and_port(choice.address or "")
    try:
        socket.create_connection((host, port), timeout=_REACH_SECONDS).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it does not answer"
        raise EngineError(
            f"no Ray cluster can be reached at {choice.address} ({reason}): check "
            "--ray-address, and that 'ray status' shows the cluster"
        ) from error


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004
        raise RequestError(
            f"--ray-address {address!r} is not an address: give HOST:PORT, or auto for "
            "the cluster that this machine belongs to"
        )
    return host.strip("[]"), int(port)


class RayEngine:
    """Sends files and batches to Ray; leave the context to end the connection.

    Ray starts with the first file, so that a scan with nothing to read does not need
    it. After a signal, files that are under way are waited for as long as results come.
    """

    def __init__(
        self,
        bundle: "Bundle",
        runtime: "Runtime",
        choice: EngineChoice,
        interruption: Interruption | None = None,
    ) -> None:
        self.identity = bundle.card.identity
        self._bundle = bundle
        self._runtime = runtime
        self._choice = choice
        self._stop = interruption or Interruption()
        self._gateway: _Gateway | None = None
        self._asked = 0
        self._answers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._gateway:
            self._gateway.end()
            self._gateway = None

    def prepare(self, pictures: Iterable[Picture]) -> Iterator[Prepared]:
        """Yield the result for each file, in order, wherever it was prepared."""
        locations = (str(p if isinstance(p, Path) else p.path) for p in pictures)
        blocks = iter(lambda: list(islice(locations, BLOCK)), [])
        for found in self._in_order("prepare", blocks, None):
            yield from found

    def classify(self, batches: Iterable[Batch]) -> Iterator[list[Prediction]]:
        """Yield the predictions of each batch, in order."""
        from tagger.policy.decide import predict  # noqa: PLC0415  --help needs none

        arrays = map(_views, batches)
        for rows in self._in_order("classify", arrays, _BATCHES):
            yield predict(rows, self.identity.labels)

    def _in_order(
        self, kind: str, things: Iterable[object], window: int | None
    ) -> Iterator[Any]:
        """Yield the answer to each thing; ask for as many as `window` in advance.

        Without a window, for as many as keep all workers busy.
        """
        under_way: deque[int] = deque()
        for thing in things:
            under_way.append(self._ask(kind, thing))
            if len(under_way) >= (window or self._connected().blocks):
                yield self._answer(under_way.popleft())
        while under_way:
            yield self._answer(under_way.popleft())

    def _connected(self) -> "_Gateway":
        if self._gateway is None:
            self._gateway = _Gateway(self._choice.verbose)
            try:
                self._gateway.connect(
                    self._choice, self._bundle, self._runtime, self._stop
                )
            except BaseException:
                if self._choice.address:  # else it ends the cluster that it starts
                    self._gateway.kill()
                raise
        return self._gateway

    def _ask(self, kind: str, thing: object) -> int:
        self._asked += 1
        self._connected().send((kind, self._asked, thing))
        return self._asked

    def _answer(self, number: int) -> Any:  # noqa: ANN401  of the thing that was asked
        last = monotonic()
        while number not in self._answers:
            message = self._connected().receive(1.0)
            if isinstance(message, _Waiting):
                if monotonic() > last + _STOP_SECONDS:
                    self._stop.check()
                continue
            last = monotonic()
            if isinstance(message, str) or message is None:
                self._stop.check()  # a service manager stops a cluster of ours, too
                raise EngineError(message or _GONE)
            answered, content = message
            self._answers[answered] = pickle.loads(content)  # noqa: S301  of our gateway
        return self._answers.pop(number)


class _Waiting:
    """Nothing has come yet."""


class _Gateway:
    """The process that holds the connection to Ray, and a thread that reads from it.

    It ends with this process, however that ends, because its standard input closes.
    """

    blocks = 0

    def __init__(self, verbose: bool) -> None:  # noqa: FBT001
        shown = verbose or os.environ.get("TAGGER_DEBUG")
        self._process = subprocess.Popen(  # noqa: S603  ourselves
            [sys.executable, "-c", _PROGRAM.format(ascii(sys.path))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if shown else subprocess.DEVNULL,
            env=os.environ | _ENVIRONMENT,
            # Ctrl-C reaches all of a session. Results under way are still wanted.
            start_new_session=True,
        )
        self._messages: SimpleQueue[Any] = SimpleQueue()
        self._hearing = Thread(target=self._hear, daemon=True)
        self._hearing.start()

    def connect(
        self,
        choice: EngineChoice,
        bundle: "Bundle",
        runtime: "Runtime",
        stop: Interruption,
    ) -> None:
        """Wait until Ray is connected. Raises EngineError if it cannot be.

        Raises Stopped if a signal is pending: no file is under way yet.
        """
        from tagger.engine.ray_actors import Network  # noqa: PLC0415  only for this engine

        self.send((choice, Network.of(bundle, runtime)))
        message: object = _Waiting()
        until = monotonic() + _START_SECONDS
        while isinstance(message, _Waiting) and monotonic() < until:
            stop.check()
            message = self.receive(1.0)
        if isinstance(message, tuple):
            self.blocks = _BLOCKS_EACH * message[1]
            return
        if isinstance(message, str):
            raise EngineError(message)
        raise EngineError(
            f"no Ray cluster answers at {choice.address}: check --ray-address, and "
            "that 'ray status' shows the cluster"
            if choice.address
            else "Ray cannot start on this machine: find the cause with "
            "'tagger --debug scan …'"
        )

    def send(self, message: object) -> None:
        """Send a message; if the process has ended, `receive` tells."""
        with suppress(OSError):
            pickle.dump(message, _pipe(self._process.stdin), pickle.HIGHEST_PROTOCOL)
            _pipe(self._process.stdin).flush()

    def receive(self, seconds: float) -> Any:  # noqa: ANN401  three kinds of messages
        """Return a pair, a text with an error, None if it has ended, or `_Waiting`."""
        try:
            return self._messages.get(timeout=seconds)
        except Empty:
            return _Waiting()

    def end(self) -> None:
        """Close the connection, and end the cluster if it was started for the scan."""
        with suppress(OSError):
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._hearing.join()
        _pipe(self._process.stdout).close()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()

    def _hear(self) -> None:
        replies = _pipe(self._process.stdout)
        with suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                self._messages.put(pickle.load(replies))  # noqa: S301  of our gateway
        self._messages.put(None)


def _views(batch: Sequence[Any]) -> "NDArray[np.uint8]":
    import numpy as np  # noqa: PLC0415  --help needs none

    if not batch:
        return np.empty((0, IMAGE_SIDE, IMAGE_SIDE, VIEWS), np.uint8)
    return np.stack([image.pixels for image in batch])


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("the gateway's streams are pipes")
    return stream
