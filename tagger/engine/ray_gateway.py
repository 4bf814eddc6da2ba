"""Hold the connection to Ray in a process of its own, and hand out work to actors.

Ray's own retries are off. They cannot tell a picture that ends its actor from the work
that waited behind it. Here only the work that an actor was doing is suspected; what
waited goes to others at once.
"""

import logging
import os
import pickle
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from secrets import token_hex
from tempfile import TemporaryDirectory
from threading import Thread
from time import monotonic
from typing import Any, Final

import ray
from ray.exceptions import RayError, RayTaskError

from tagger.engine.interface import EngineChoice, Prepared
from tagger.engine.ray_actors import (
    VERSIONS,
    Classifying,
    Network,
    Preparer,
    located,
)
from tagger.errors import EngineError, TaggerError
from tagger.imaging.pool import cores, digest_of
from tagger.records import UnreadableImage

_STORE_BYTES: Final = 128 * 2**20
"""Object store of a cluster started for one scan; only batches go through it."""

_QUEUED: Final = 2
"""Pieces of work at an actor: one that it does, and the next."""

_LOSSES: Final = 2
"""Actors that may be lost with the same block before its files are tried alone."""

_TRIES: Final = 3
"""Actors that a file may end, alone, before it is blamed; batches may end as many more.
A node that dies at the same time is a rare bad luck, three are none."""

_PATIENCE: Final = 120.0
"""Seconds that work waits while there is no actor, as when no node has a free core."""

_CORES_PER_NETWORK: Final = 4
"""Classifying takes a fifth of the time of preparing."""

_SHORT: Final = 300
"""Longest text that is shown whole, as when versions of Ray differ."""

Handle = Any
"""An actor, or its class, as Ray gives it: its methods are not typed."""

Send = Callable[[object], None]


def serve() -> None:
    """Run as the gateway: read requests from standard input until it ends."""
    requests = sys.stdin.buffer
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what Ray prints must not disturb replies

    def send(message: object) -> None:
        pickle.dump(message, replies, pickle.HIGHEST_PROTOCOL)
        replies.flush()

    with suppress(BrokenPipeError):
        try:
            choice, network = pickle.load(requests)  # noqa: S301  of our parent
            with _connected(choice):
                resources: Any = ray.cluster_resources()  # type: ignore[no-untyped-call]
                workers = max(1, int(resources.get("CPU", 1)))
                send(("ready", workers))
                _Dispatcher(workers, network, send).serve(requests)
        except TaggerError as error:
            send(str(error))
        except Exception as error:
            if os.environ.get("TAGGER_DEBUG"):
                raise
            send(f"Ray cannot be used: {_one_line(error)}")


@contextmanager
def _connected(choice: EngineChoice) -> Iterator[None]:
    """Connect to the cluster, or start one on this machine in a folder of its own."""
    warnings.simplefilter("ignore")
    level = logging.INFO if choice.verbose else logging.CRITICAL
    connect = partial(ray.init, log_to_driver=choice.verbose, logging_level=level)
    with ExitStack() as until_the_end:
        if choice.address:
            _join(choice.address, connect)
        else:
            # Ray would leave one in the home folder: clusters started later ask for it.
            os.environ.setdefault("RAY_AUTH_TOKEN", token_hex(32))
            connect(
                "local",
                num_cpus=cores(),
                object_store_memory=_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=until_the_end.enter_context(_folder_of_short_name()),
            )
        until_the_end.callback(ray.shutdown)
        yield


def _join(address: str, connect: Callable[[str], object]) -> None:
    """Connect to a cluster; EngineError if it lets no one in without its token."""
    try:
        connect(address)
    except ConnectionError as error:
        raise EngineError(
            f"the Ray cluster at {address} does not let this scan in "
            f"({_one_line(error)}): if it has a token, copy ~/.ray/auth_token from its "
            "first machine to this one, and set RAY_AUTH_MODE=token"
        ) from error


def _folder_of_short_name() -> "TemporaryDirectory[str]":
    """Return a folder that is removed afterwards; a socket's name has 107 bytes."""
    return TemporaryDirectory(
        prefix="tagger-",
        dir="/tmp" if os.name == "posix" else None,  # noqa: S108
        ignore_cleanup_errors=True,
    )


class _Work:
    """A numbered request; `losses` counts the actors that ended while they did it."""

    __slots__ = ("content", "losses", "number")

    def __init__(self, number: int, content: Any) -> None:  # noqa: ANN401
        self.number = number
        self.content = content
        self.losses = 0


class _Actor:
    __slots__ = ("begun", "handle", "works")

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self.begun = False
        self.works: deque[_Work] = deque()


class _Pool:
    """Actors of one kind. A lost one is replaced, and its work is done by others."""

    def __init__(
        self,
        size: int,
        start: Callable[[], tuple[Handle, Any]],
        dispatcher: "_Dispatcher",
        suspect: Callable[[_Work], bytes],
    ) -> None:
        self._start_actor = start
        self._dispatcher = dispatcher
        self._suspect = suspect
        self._waiting: deque[_Work] = deque()
        self._actors: list[_Actor] = []
        self._false_starts = 0
        self._size = size
        self._since = monotonic()
        for _ in range(size):
            self._add_actor()

    def add(self, work: _Work) -> None:
        """Have work done, after what waits already."""
        self._waiting.append(work)
        self._hand_out()

    def check(self) -> None:
        """Raise EngineError if work has waited too long for an actor."""
        if not self._waiting or any(actor.begun for actor in self._actors):
            self._since = monotonic()
        elif monotonic() > self._since + _PATIENCE:
            raise EngineError(
                "no node of the Ray cluster has had a free core for "
                f"{_PATIENCE:.0f} seconds: look at 'ray status', then scan again"
            )

    def _add_actor(self) -> None:
        handle, begun = self._start_actor()
        actor = _Actor(handle)
        self._actors.append(actor)
        self._watch(begun, partial(self._began, actor))

    def _watch(self, reference: Any, then: Callable[[Any], None]) -> None:  # noqa: ANN401
        """Have the dispatcher call `then` when the result is there."""
        reference.future().add_done_callback(
            lambda future: self._dispatcher.events.put(partial(then, future))
        )

    def _began(self, actor: _Actor, future: Any) -> None:  # noqa: ANN401
        if self._failed(actor, future):
            self._false_starts += 1
            if self._false_starts >= _TRIES * self._size:
                reason = _one_line(future.exception())
                raise EngineError(
                    "the workers of the Ray cluster cannot start: install tagger with "
                    f"the same Python on all nodes ({reason})"
                )
        elif actor in self._actors:
            self._false_starts = 0
            actor.begun = True
            self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting:
            free = (a for a in self._actors if a.begun and len(a.works) < _QUEUED)
            actor = min(free, key=lambda one: len(one.works), default=None)
            if actor is None:
                return
            work = self._waiting.popleft()
            actor.works.append(work)
            reference = actor.handle.work.remote(work.content)
            self._watch(reference, partial(self._answered, actor, work))

    def _answered(self, actor: _Actor, work: _Work, future: Any) -> None:  # noqa: ANN401
        if actor not in self._actors:
            return  # it was lost: others do its work
        if not self._failed(actor, future):
            actor.works.remove(work)
            self._dispatcher.send((work.number, future.result()))
        self._hand_out()

    def _failed(self, actor: _Actor, future: Any) -> bool:  # noqa: ANN401
        """Whether the actor is lost; raises what its method raised."""
        error = future.exception()
        if isinstance(error, RayTaskError):
            raise _cause(error)
        if error is not None and actor in self._actors:
            self._lose(actor)
        return error is not None

    def _lose(self, actor: _Actor) -> None:
        """Replace an actor; what it was doing is suspected if that happens again."""
        self._actors.remove(actor)
        with suppress(RayError):
            ray.kill(actor.handle)
        self._add_actor()
        if not actor.works:
            return
        first = actor.works[0]
        first.losses += 1
        if first.losses >= _LOSSES:
            actor.works.popleft()
            self._dispatcher.send((first.number, self._suspect(first)))
        self._waiting.extendleft(reversed(actor.works))


class _Dispatcher:
    """Passes requests to the actors, and their results back, in any order."""

    def __init__(self, workers: int, network: Network, send: Send) -> None:
        self.send = send
        self.events: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._ended = False
        self._preparer: Handle = ray.remote(Preparer)
        classifying: Handle = ray.remote(Classifying).options(
            num_cpus=0, scheduling_strategy="SPREAD"
        )
        shared = ray.put(network)

        def start_network() -> tuple[Handle, Any]:
            handle = classifying.remote()
            return handle, handle.begin.remote(VERSIONS, shared)

        networks = -(-workers // _CORES_PER_NETWORK)
        self._pools = {
            "prepare": _Pool(workers, self._start_preparer, self, self._one_by_one),
            "classify": _Pool(networks, start_network, self, _give_up),
        }

    def serve(self, requests: Any) -> None:  # noqa: ANN401  a stream of bytes
        """Serve until the requests end. Raises EngineError if no work can be done."""
        Thread(target=self._read, args=(requests,), daemon=True).start()
        while not self._ended:
            try:
                self.events.get(timeout=1.0)()
            except Empty:
                for pool in self._pools.values():
                    pool.check()

    def _read(self, requests: Any) -> None:  # noqa: ANN401
        with suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                kind, number, content = pickle.load(requests)  # noqa: S301  of our parent
                work = _Work(number, content)
                self.events.put(partial(self._pools[kind].add, work))
        self.events.put(self._end)

    def _end(self) -> None:
        self._ended = True

    def _start_preparer(self, cpus: float = 1) -> tuple[Handle, Any]:
        handle = self._preparer.options(num_cpus=cpus).remote()
        return handle, handle.begin.remote(VERSIONS)

    def _one_by_one(self, work: _Work) -> bytes:
        """Prepare the files of a block each alone; blame those that end their actor."""
        found: list[Prepared] = []
        handle: Handle = None
        for location in work.content:
            for _ in range(_TRIES):
                if handle is None:
                    handle, _begun = self._start_preparer(cpus=0)
                try:
                    found += pickle.loads(ray.get(handle.work.remote([location])))  # noqa: S301
                    break
                except RayTaskError as error:
                    raise _cause(error) from error
                except RayError:
                    handle = None
            else:
                found.append(_blamed(location))
        return pickle.dumps(found, pickle.HIGHEST_PROTOCOL)


def _digest_of(location: str) -> str | None:
    """Return the digest of a file, if it is on a disk; else only its store has it."""
    picture = located(location)
    return digest_of(picture) if isinstance(picture, Path) else None


def _blamed(location: str) -> UnreadableImage:
    return UnreadableImage("the decoder crashed", _digest_of(location))


def _give_up(work: _Work) -> bytes:
    raise EngineError(
        f"{work.losses} workers of the Ray cluster ended while they classified: look "
        "at their memory with 'ray status', then scan again"
    )


def _cause(error: RayTaskError) -> TaggerError:
    """Return what a method raised on a node."""
    cause = error.cause
    if isinstance(cause, TaggerError):
        return cause
    return EngineError(f"a worker of the Ray cluster failed: {_one_line(error)}")


def _one_line(error: BaseException | None) -> str:
    """Return a short text as one line; of a long one, as a traceback, the last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    whole = " ".join(lines) or type(error).__name__
    return whole if len(whole) <= _SHORT else lines[-1]
