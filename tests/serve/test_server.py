"""Where it listens, whom it lets in, how it stops."""

import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from listening import Listening
from sounds import tone

from crosstone.errors import ConfigError
from crosstone.inference import Predictor
from crosstone.serve import Limits, serve
from crosstone.serve.server import check_token, is_loopback


def test_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.3.2.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.4", "my.example", "")))


@pytest.mark.parametrize(
    "host,token,sentence",
    [
        ("0.0.0.0", None, "others reach it there, so it expects --token"),
        ("my.example", None, "found none; give one, or listen on 127.0.0.1"),
        ("127.0.0.1", "short", "expected at least 8 ASCII characters, found 5"),
        ("0.0.0.0", "schlüsselwort", "are not"),
    ],
)
def test_a_start_without_a_good_token_is_refused(
    predictor: Predictor, host: str, token: str | None, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        serve(predictor, host=host, token=token, port=0)
    check_token("0.0.0.0", "long enough")


def test_the_verb_refuses_before_it_loads(capfd: pytest.CaptureFixture[str]) -> None:
    from crosstone.cli import main

    with pytest.raises(SystemExit) as stop:
        main(["serve", "no-model", "--host", "0.0.0.0"])
    assert stop.value.code == 2
    assert "--token" in capfd.readouterr().err


def test_an_address_that_is_taken(predictor: Predictor) -> None:
    with Listening(predictor) as server:
        port = int(server.address.rstrip("/").rpartition(":")[2])
        with pytest.raises(ConfigError, match="is it taken"):
            serve(predictor, port=port)


def test_a_client_that_calls_itself_another_has_one_rate(predictor: Predictor) -> None:
    with Listening(predictor, limits=Limits(per_minute=2)) as server:
        found = [
            httpx.post(
                f"{server.address}v1/predict",
                json={"text": "come in"},
                headers={"X-Forwarded-For": f"10.0.0.{i}", "X-Forwarded-Proto": "https"},
            ).status_code
            for i in range(3)
        ]
    assert found == [200, 200, 429]


def test_it_stops_once_what_it_has_in_hand_is_answered(
    predictor: Predictor, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, answers = threading.Event(), predictor.answers
    found: list[Any] = []

    def slowly(items: Any) -> Any:
        begun.set()
        time.sleep(0.5)
        return answers(items)

    monkeypatch.setattr(predictor, "answers", slowly)
    with Listening(predictor) as server:
        url = f"{server.address}v1/predict"

        def ask() -> None:
            found.append(httpx.post(url, files={"audio": ("a.wav", tone())}, timeout=30))

        asking = threading.Thread(target=ask)
        asking.start()
        assert begun.wait(30)
        server.stop()
        server.thread.join(30)
        asking.join(30)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.address}health")
    assert found[0].status_code == 200
    assert not list(places.iterdir())
