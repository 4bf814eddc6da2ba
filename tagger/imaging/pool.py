"""Prepare pictures in a pool of worker processes that may crash or hang.

A decoder that crashes, never ends or wants all memory costs one picture. Workers are
processes, not threads: a crash ends only its own process, and the Python part of the
work runs on every core. Each is a fresh interpreter that imports `decode` and little
else; a fork would inherit threads and the open database. A worker starts when there is
work for it. It ends with this process, however that ends, because its standard input
closes. Its answers are plain data and never unpickled.
"""

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from struct import Struct
from threading import Thread
from typing import IO, Final, Self

from tagger.errors import WorkerError
from tagger.imaging.sources import Source
from tagger.records import IMAGE_SIDE, VIEWS, PreparedImage, UnreadableImage
from tagger.storage import Content, Location
from tagger.storage.reading import MOST_BYTES

SECONDS: Final = 60
"""Longest time for one picture. The largest takes four seconds on an idle machine."""

_TOO_SLOW: Final = f"takes longer than {SECONDS} seconds to decode"

MEMORY_BYTES: Final = 2 * 1024**3
"""Most memory of a worker; 100 megapixels with transparency need most of it."""

_AHEAD: Final = 64
"""Pictures queued at each worker: it prepares them, at 1 ms each, while a batch is
classified and written. Another worker starts when all have this many."""

_PROGRAM: Final = (
    "import sys; sys.path[:] = {}; import tagger.imaging.pool as w; w.serve()"
)
_ENVIRONMENT: Final = {"OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
"""One thread a library: every core has a worker already."""

_FALSE_STARTS: Final = 3
"""Workers in a row that may end before they begin. One may be killed for memory, or
from outside; after three the pool gives up."""

_LENGTHS: Final = Struct(">II")
_Frame = tuple[bytes, bytes]

Prepared = PreparedImage | UnreadableImage
Prepare = Callable[[Path | Content], Prepared]


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """A pool of at most `count` worker processes; leave the context to end them.

    `meanwhile` is called once, while the first worker starts: a third of a second in
    which the caller can load what it needs for the answers.
    """

    def __init__(
        self, count: int | None = None, meanwhile: Callable[[], None] | None = None
    ) -> None:
        self._count = count or cores()
        self._meanwhile = meanwhile
        self._workers: list[_Worker] = []
        self._answers: SimpleQueue[tuple[_Worker, Prepared | None]] = SimpleQueue()
        self._false_starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def prepare(self, sources: Iterable[Source]) -> Iterator[Prepared]:
        """Yield the result of `prepare.prepare` for each file, in order.

        Takes some files ahead of the results, and contents of `MOST_BYTES` at most. May
        be called again when it has yielded all. Raises WorkerError if no process can be
        started.
        """
        coming = iter(sources)
        under_way: deque[_Task] = deque()
        held = 0
        while True:
            while len(under_way) < self._count * _AHEAD and held <= MOST_BYTES:
                source = next(coming, None)
                if source is None:
                    break
                under_way.append(_Task(source))
                held += under_way[-1].size
                if under_way[-1].result is None:
                    self._hand_out(under_way[-1])
            if not under_way:
                return
            if meanwhile := self._meanwhile:
                self._meanwhile = None
                meanwhile()
            task = under_way.popleft()
            while task.result is None:
                self._take_answer()
            held -= task.size
            yield task.result

    def _hand_out(self, task: "_Task") -> None:
        worker = min(self._workers, key=lambda each: len(each.tasks), default=None)
        if worker is None or len(worker.tasks) >= _AHEAD:
            worker = _Worker(self._answers)
            self._workers.append(worker)
        worker.ask(task)

    def _take_answer(self) -> None:
        worker, answer = self._answers.get()
        if answer is None:
            self._replace(worker)
        else:
            self._false_starts = 0
            worker.tasks.popleft().result = answer

    def _replace(self, ended: "_Worker") -> None:
        """Hand the tasks of an ended worker to others, or blame the first of them.

        A picture is blamed if it was too slow or if a worker ended at it twice: once
        may be a kill from outside or for memory. A worker that never began blames no
        picture. The blamed picture keeps its digest, so that the next scan does not
        decode it again.
        """
        self._workers.remove(ended)
        reason = ended.end()
        if not ended.tasks:
            return
        if ended.began:
            task = ended.tasks[0]
            if task.suspect or reason == _TOO_SLOW:
                ended.tasks.popleft()
                task.result = UnreadableImage(reason, digest_of(task.source))
            task.suspect = True
        else:
            self._false_starts += 1
            if self._false_starts == _FALSE_STARTS:
                raise WorkerError(
                    f"the processes that decode pictures cannot start ({reason}): "
                    "find the cause with 'tagger --debug scan …'"
                )
        for task in ended.tasks:
            self._hand_out(task)


def digest_of(source: Source) -> str | None:
    """Return the digest of a file's content, read in parts.

    None if the file cannot be read: then reading it ended the worker.
    """
    if isinstance(source, UnreadableImage):
        return source.digest
    if isinstance(source, Content):
        return hashlib.sha256(source.data).hexdigest()
    return _digest_at(source)


def _digest_at(path: Location) -> str | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


class _Task:
    """A file to prepare; `size` is that of the content that is kept until then."""

    __slots__ = ("result", "size", "source", "suspect")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.size = len(source.data) if isinstance(source, Content) else 0
        self.suspect = False
        self.result: Prepared | None = None
        if isinstance(source, UnreadableImage):
            self.result = source


class _Worker:
    """A process, its unanswered tasks, and a thread that reads its answers.

    The thread puts each answer into the queue, with its worker; None when it ends.
    """

    def __init__(self, answers: "SimpleQueue[tuple[_Worker, Prepared | None]]") -> None:
        self.tasks: deque[_Task] = deque()
        self.began = False
        self._answers = answers
        self._process = _start()
        self._hearing = Thread(target=self._hear, daemon=True)
        self._hearing.start()
        self._requests: SimpleQueue[_Frame | None] | None = None

    def ask(self, task: _Task) -> None:
        """Add a file to the queue of the process."""
        self.tasks.append(task)
        request = _request(task.source)
        if self._requests is None and request[1]:
            # A content is more than a pipe holds: a thread waits until it is taken.
            self._requests = SimpleQueue()
            Thread(target=self._tell, args=[self._requests], daemon=True).start()
        if self._requests is None:
            self._send(request)
        else:
            self._requests.put(request)

    def end(self) -> str:
        """End the process if it still runs; return why its first task has no answer."""
        self._process.kill()
        status = self._process.wait()
        self._hearing.join()
        if self._requests is not None:
            self._requests.put(None)
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                _pipe(stream).close()
        if status == -getattr(signal, "SIGALRM", 0):
            return _TOO_SLOW
        return "the decoder crashed"

    def _tell(self, requests: "SimpleQueue[_Frame | None]") -> None:
        while request := requests.get():
            self._send(request)

    def _send(self, request: _Frame) -> None:
        # It may have ended: `_hear` puts that into the queue. Or its pipe is closed.
        with suppress(OSError, ValueError):
            _write(_pipe(self._process.stdin), *request)

    def _hear(self) -> None:
        replies = _pipe(self._process.stdout)
        with suppress(OSError, KeyError, TypeError, ValueError):
            self.began = _read(replies) is not None
            while frame := _read(replies):
                self._answers.put((self, _unpacked(frame)))
        self._answers.put((self, None))


def _start() -> "subprocess.Popen[bytes]":
    with _signals_kept_back():
        return subprocess.Popen(  # noqa: S603  ourselves
            [sys.executable, "-c", _PROGRAM.format(ascii(sys.path))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("TAGGER_DEBUG") else subprocess.DEVNULL,
            env=os.environ | _ENVIRONMENT,
        )


@contextmanager
def _signals_kept_back() -> Iterator[None]:
    """Block the signals that stop this process in processes started in the block.

    Ctrl-C reaches all processes of a terminal, and a service manager's signal all of a
    service. This process ends its workers itself, after their results are saved.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    kept = {signal.SIGINT, signal.SIGTERM}
    former = signal.pthread_sigmask(signal.SIG_BLOCK, kept)
    try:
        yield  # a new process inherits the mask, and keeps it
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def serve() -> None:
    """Run as a worker: prepare the files named on standard input until it ends."""
    requests = sys.stdin.buffer
    replies = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "wb") as sink:  # noqa: PTH123
        os.dup2(sink.fileno(), 1)  # a library that prints must not disturb replies
    _limit_memory()
    from tagger.imaging.prepare import prepare  # noqa: PLC0415  the heavy part, for workers only

    with suppress(BrokenPipeError):
        answer(requests, replies, prepare)


def answer(requests: IO[bytes], replies: IO[bytes], prepare: Prepare) -> None:
    """Write a greeting, then answer each request until they end.

    The kernel ends the process if a picture takes too long, whatever the decoder is
    doing, even if the parent process is gone.
    """
    timer = getattr(signal, "setitimer", lambda *_: None)  # Windows has none
    real = getattr(signal, "ITIMER_REAL", 0)
    _write(replies, b"ready")
    while request := _read(requests):
        timer(real, SECONDS)
        result = prepare(_requested(request))
        timer(real, 0)
        _write(replies, *_packed(result))


def _limit_memory() -> None:
    with suppress(ImportError, OSError, ValueError):  # not on Windows
        import resource  # noqa: PLC0415

        for kind, most in (
            (resource.RLIMIT_DATA, MEMORY_BYTES),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


_IS_CONTENT: Final = b"\0"
"""Stands before the name in a request that carries a content: no path begins so."""


def _request(source: Source) -> _Frame:
    if isinstance(source, Content):
        name = source.name.encode(errors="surrogatepass")
        return _IS_CONTENT + name, source.data
    return os.fsencode(str(source)), b""


def _requested(request: _Frame) -> Path | Content:
    head, body = request
    if head.startswith(_IS_CONTENT):
        return Content(head[1:].decode(errors="surrogatepass"), body)
    return Path(os.fsdecode(head))


def _packed(result: Prepared) -> _Frame:
    if isinstance(result, UnreadableImage):
        fields: dict[str, object] = {"reason": result.reason, "digest": result.digest}
        return json.dumps(fields).encode(), b""
    names = ("digest", "width", "height", "format", "damaged")
    fields = {name: getattr(result, name) for name in names}
    return json.dumps(fields).encode(), result.pixels.tobytes()


def _unpacked(frame: _Frame) -> Prepared:
    """Parse an answer; raises KeyError, TypeError or ValueError if it is malformed."""
    import numpy as np  # noqa: PLC0415  a scan with nothing to do needs none

    fields = json.loads(frame[0])
    if "reason" in fields:
        return UnreadableImage(**fields)
    pixels = np.frombuffer(frame[1], np.uint8).reshape(IMAGE_SIDE, IMAGE_SIDE, VIEWS)
    return PreparedImage(pixels=pixels, **fields)


def _write(stream: IO[bytes], head: bytes, body: bytes = b"") -> None:
    stream.write(_LENGTHS.pack(len(head), len(body)) + head + body)
    stream.flush()


def _read(stream: IO[bytes]) -> _Frame | None:
    """Read a frame that `_write` wrote; None if the stream ends, even within it."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head, body = _LENGTHS.unpack(lengths)
    data = stream.read(head + body)
    return (data[:head], data[head:]) if len(data) == head + body else None


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("a worker's streams are pipes")
    return stream
