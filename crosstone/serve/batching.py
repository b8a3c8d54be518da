"""Requests that come together are answered together."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from crosstone.inference.prediction import Prediction
from crosstone.inference.predictor import Predictor
from crosstone.inference.windows import Question, answered

WINDOW_SECONDS = 0.004
"""How long the first question of a batch waits for others."""

BATCH_SIZE = 16

_Waiting = tuple[Question, "asyncio.Future[Prediction]"]


class Batcher:
    """Puts questions to a model in batches, on a thread of its own.

    What stands beside a question changes its answer by float32's rounding only: what padding would
    change, the model's encoder hears by itself. `stop` answers all that was asked before.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        window_seconds: float = WINDOW_SECONDS,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        self.predictor = predictor
        self.num_batches = 0
        self._window, self._size = window_seconds, batch_size
        self._waiting: asyncio.Queue[_Waiting | None] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="crosstone-model")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to answer; called within the event loop."""
        self._task = asyncio.create_task(self._answer())

    async def stop(self) -> None:
        """Answer what was asked, then end."""
        await self._waiting.put(None)
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def ask(self, question: Question) -> Prediction:
        """The answer to one question; raises what the model raised."""
        answer: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()
        await self._waiting.put((question, answer))
        return await answer

    async def _answer(self) -> None:
        while (first := await self._waiting.get()) is not None:
            batch, is_last = [first], False
            deadline = time.monotonic() + self._window
            while len(batch) < self._size and not is_last:
                following: _Waiting | None = None
                with suppress(asyncio.TimeoutError):
                    left = max(0.0, deadline - time.monotonic())
                    following = await asyncio.wait_for(self._waiting.get(), left)
                    is_last = following is None
                if following is None:
                    break
                batch.append(following)
            await self._put(batch)
            if is_last:
                return

    async def _put(self, batch: Sequence[_Waiting]) -> None:
        self.num_batches += 1
        questions = [question for question, _ in batch]
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._thread, self._answers, questions)
        except Exception as error:  # whatever it is, those who wait must hear of it
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), prediction in zip(batch, found, strict=True):
            if not answer.done():
                answer.set_result(prediction)

    def _answers(self, questions: Sequence[Question]) -> list[Prediction]:
        return list(answered(questions, self.predictor.answers, batch_size=max(2, len(questions))))
