"""The real server in a process of its own, asked by a crowd."""

import asyncio
import math
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import quote

from benchmarks.answers import WORDS, make_model, write_clips
from benchmarks.measurement import ROOT, Goal, Row
from crosstone.serve.batching import BATCH_SIZE

CLIENTS = 50
SECONDS = 2.0
"""Of a clip."""

WARM = 200
"""Requests before anything is measured."""


@dataclass(frozen=True)
class Server:
    """Where it answers, and its process."""

    port: int
    pid: int

    def memory(self) -> float:
        """What it holds in memory, in MiB."""
        said = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.pid)], stdout=subprocess.PIPE, check=True, text=True
        )
        return int(said.stdout) / 1024


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """`crosstone serve` of a model of the demo's size, as a person starts it; one address asks
    here, so its share is that of all."""
    model, tokenizer = make_model()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)  # type: ignore[attr-defined]
    command = [sys.executable, "-m", "crosstone", "serve", str(folder), "--port", "0"]
    command += ["--waiting", str(8 * CLIENTS), "--per-minute", "100000000"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = None
        while found is None and (line := process.stderr.readline()):
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        if found is None:
            raise ValueError("serve: expected the address of a server, found none")
        yield Server(int(found[1]), process.pid)
    finally:
        process.terminate()
        process.wait(60)


def request_of(clip: Path) -> bytes:
    """A recording and its words, as they go over the wire."""
    body = clip.read_bytes()
    head = (
        f"POST /v1/predict?text={quote(WORDS)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: audio/wav\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass(frozen=True)
class Answer:
    """How a request went."""

    status: int
    seconds: float


async def ask(server: Server, request: bytes, left: list[int], found: list[Answer]) -> None:
    """One client: asks over one connection as long as there is something left to ask."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    while left[0] > 0:
        left[0] -= 1
        began = time.perf_counter()
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"(?i)content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        found.append(Answer(int(head.split(None, 2)[1]), time.perf_counter() - began))
    writer.close()
    await writer.wait_closed()


async def crowd(server: Server, requests: list[bytes], clients: int, count: int) -> list[Answer]:
    """So many requests by so many clients at once."""
    left, found = [count], list[Answer]()
    await asyncio.gather(
        *(ask(server, requests[i % len(requests)], left, found) for i in range(clients))
    )
    return found


async def unloaded_batch(server: Server, requests: list[bytes], repeats: int) -> float:
    """Seconds until one batch that comes at once to an idle server is answered."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        await crowd(server, requests, BATCH_SIZE, BATCH_SIZE)
        times.append(time.perf_counter() - began)
    return median(times)


def measure(count: int, *, clients: int = CLIENTS, warm: int = WARM) -> list[Row]:
    """Errors, seconds to an answer and memory over so many requests, after some to warm it."""
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "model") as server:
        requests = [request_of(clip) for clip in write_clips(Path(name), 8, SECONDS)]
        answers = asyncio.run(crowd(server, requests, clients, warm))
        memory = [server.memory()]
        batch = asyncio.run(unloaded_batch(server, requests, 9))
        for half in (count // 2, count - count // 2):
            answers += asyncio.run(crowd(server, requests, clients, half))
            memory.append(server.memory())
    taken = sorted(answer.seconds for answer in answers[warm:])
    p50, p95 = (quantiles(taken, n=20)[i] for i in (9, 18))
    queued = math.ceil(clients / BATCH_SIZE)
    return [
        Row(
            bench="serve",
            what=f"answers other than 200, of {len(answers)} requests by {clients} clients",
            ours=sum(answer.status != 200 for answer in answers),
            goal=Goal(value=0, at_least=False),
        ),
        Row(
            bench="serve",
            what=f"seconds to an answer, p95, to {queued} batches of {BATCH_SIZE}, unloaded",
            ours=p95,
            against=queued * batch,
            ratio=p95 / (queued * batch),
            goal=Goal(value=3, at_least=False),
            notes=(f"p50 {p50:.3f} s; clips of {SECONDS:g} s, client on the same machine",),
        ),
        Row(
            bench="serve",
            what="MiB the server holds, at the end to half-way",
            ours=memory[2],
            against=memory[1],
            ratio=memory[2] / memory[1],
            goal=Goal(value=1.05, at_least=False),
            notes=(f"{memory[0]:.0f} MiB at the start",),
        ),
    ]


def run(*, quick: bool = False) -> list[Row]:
    """Over 10,000 requests."""
    return measure(200 if quick else 10_000)
