"""A server on a thread, as `crosstone serve` runs it."""

import threading
from types import TracebackType
from typing import Any

from crosstone.inference import Predictor
from crosstone.serve import serve, server


class Listening:
    """`with Listening(predictor) as server: server.address`; asked to stop at the end."""

    def __init__(self, predictor: Predictor, **given: Any) -> None:
        self.address = ""
        self._started = threading.Event()
        self._running: list[Any] = []
        self._predictor, self._given = predictor, given

    def _run(self) -> None:
        running = self._running

        class Kept(server.Server):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments)
                running.append(self)

        def started(address: str) -> None:
            self.address = address
            self._started.set()

        serve(self._predictor, port=0, started=started, kind=Kept, **self._given)

    def stop(self) -> None:
        """As SIGTERM would."""
        self._running[0].should_exit = True

    def __enter__(self) -> "Listening":
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self._started.wait(30)
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()
