"""Every route, every limit and every bad input, each with its status and its sentence."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sounds import MOODS, Serve, file_of, tone

from crosstone.errors import ConfigError
from crosstone.inference import Predictor
from crosstone.serve import Limits, create_app, uploads

SRT = "1\n00:00:00,200 --> 00:00:01,400\ncome in\n\n2\n00:00:02,000 --> 00:00:03,000\nit is late\n"


def said(response: httpx.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["message"]


def test_a_form_a_body_and_json_are_answered_as_predict_answers(
    serving: Serve, predictor: Predictor, tmp_path: Path
) -> None:
    (tmp_path / "a.wav").write_bytes(tone())
    expected = predictor.predict(tmp_path / "a.wav", text="come in").as_dict()
    with serving() as client:
        form = client.post(
            "/v1/predict", files={"audio": ("a.wav", tone())}, data={"text": "come in"}
        )
        body = client.post(
            "/v1/predict?text=come in", content=tone(), headers={"Content-Type": "audio/wav"}
        )
        words = client.post("/v1/predict", json={"text": "come in"})
    for response, name in ((form, "a.wav"), (body, "recording")):
        assert response.status_code == 200
        answer = response.json()
        assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)
        rest = {k: v for k, v in answer.items() if k != "probabilities"}
        assert rest == {k: v for k, v in expected.items() if k != "probabilities"} | {"id": name}
    assert words.json()["used"] == ["text"]


@pytest.mark.parametrize("form", ["FLAC", "OGG", "MP3"])
def test_other_forms_and_rates(serving: Serve, form: str) -> None:
    with serving() as client:
        file = (f"a.{form.lower()}", tone(1.0, 44_100, form))
        answer = client.post("/v1/predict", files={"audio": file}).json()
    assert set(answer["probabilities"]) == set(MOODS)


def bad_sounds() -> dict[str, tuple[bytes, str]]:
    made = {"empty": (b"", "the file is empty"), "text": (b"hello", "expected audio")}
    made["truncated"] = (tone()[:6000], "truncated: its header promises 0.50 s")
    made["long"] = (tone(61, 8000), "lasts 61.0 s, expected at most 60 s")
    made["short"] = (tone(0.01), "expected at least 0.05 s")
    made["silent"] = (file_of(np.zeros(8000)), "silent (peak below -90 dBFS)")
    made["fast"] = (tone(0.5, 400_000), "expected at most 384000 Hz, found 400000; convert it")
    made["broad"] = (
        file_of(np.ones((8000, 17)) / 9),
        "expected at most 16 channels, found 17; convert it",
    )
    nan = np.full(8000, np.nan, np.float32)
    made["nan"] = (file_of(nan, subtype="FLOAT"), "8000 of 8000 samples")
    return made


@pytest.mark.parametrize("kind", bad_sounds())
def test_a_recording_that_cannot_be_heard(serving: Serve, kind: str) -> None:
    content, sentence = bad_sounds()[kind]
    with serving() as client:
        status, code, message = said(
            client.post("/v1/predict", files={"audio": (f"{kind}.wav", content)})
        )
    assert (status, code) == (422, "too_long" if kind == "long" else "unreadable")
    assert message.startswith(f"{kind}.wav: ")
    assert sentence in message
    assert uploads.PREFIX not in message


def test_a_limit_of_whole_recordings_is_the_servers_alone(
    serving: Serve, predictor: Predictor
) -> None:
    with serving(max_seconds=3) as client:
        assert client.get("/v1/model").json()["max_seconds"] == 3
        assert said(client.post("/v1/predict", files={"audio": ("a.wav", tone(4))})) == (
            422,
            "too_long",
            "a.wav: lasts 4.0 s, expected at most 3 s; cut it into parts, or send it to "
            "/v1/timeline",
        )
        asked = {"segments": "fixed"}
        drawn = client.post("/v1/timeline", files={"audio": ("a.wav", tone(7))}, data=asked)
        assert [(p["start"], p["end"]) for p in drawn.json()["segments"]] == [(0, 5), (5, 7)]
    assert predictor.max_seconds == 60
    with serving(max_seconds=90) as client:  # never more than the model takes
        assert client.get("/v1/model").json()["max_seconds"] == 60


def test_what_a_model_does_not_hear_counts_against_no_limit(
    serving: Serve, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "hear_seconds", 2.0)
    with serving(max_seconds=3) as client:
        answer = client.post("/v1/predict", files={"audio": ("a.wav", tone(4))})
    assert answer.status_code == 200
    assert answer.json()["end"] == 2


def test_what_the_model_cannot_answer(serving: Serve) -> None:
    with serving() as client:
        nothing = client.post("/v1/predict")
        status, code, message = said(nothing)
        assert (status, code) == (422, "unanswerable")
        assert "found nothing it can use" in message
        status, code, message = said(client.post("/v1/predict", json={"text": "in " * 99}))
        assert (status, code) == (422, "bad_words")
        assert "expected texts of at most 38 tokens" in message


@pytest.mark.parametrize(
    "request_,status,code,sentence",
    [
        ({"json": {"text": 3}}, 422, "bad_json", "a JSON object of strings"),
        (
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
            422,
            "bad_json",
            "the body is not JSON",
        ),
        ({"json": {"text": "\ud800"}}, 422, "bad_words", "found lone surrogates"),
        ({"json": {"\udfff": "hm"}}, 422, "bad_words", "found lone surrogates"),
        ({"json": {"words": "hm"}}, 422, "unknown_field", "fields audio, text, found words"),
        ({"files": {"sound": ("a.wav", b"x")}}, 422, "unknown_field", "found one as 'sound'"),
        (
            {"files": [("audio", ("a.wav", b"x")), ("audio", ("b.wav", b"x"))]},
            422,
            "bad_form",
            "Too many files",
        ),
        (
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
            422,
            "bad_form",
            "the form cannot be read",
        ),
        (
            {"content": b"x", "headers": {"Content-Type": "text/plain"}},
            415,
            "unknown_body",
            "found text/plain",
        ),
        ({"content": b"x"}, 415, "unknown_body", "found no content type"),
    ],
)
def test_bodies_that_cannot_be_read(
    serving: Serve, request_: dict[str, Any], status: int, code: str, sentence: str
) -> None:
    if "json" in request_:  # httpx would not write a lone surrogate; json.dumps escapes it
        body, kind = json.dumps(request_["json"]), {"Content-Type": "application/json"}
        request_ = {"content": body, "headers": kind}
    with serving() as client:
        found = said(client.post("/v1/predict", **request_))
    assert found[:2] == (status, code)
    assert sentence in found[2]


def test_too_many_bytes_are_413_whether_promised_or_not(serving: Serve) -> None:
    def in_parts() -> Any:
        for _ in range(30):
            yield b"x" * 1000

    with serving(max_mib=0.01) as client:
        wav = {"Content-Type": "audio/wav"}
        for response in (
            client.post("/v1/predict", content=tone(), headers=wav),
            client.post("/v1/predict", content=in_parts(), headers=wav),
            client.post("/v1/predict", files={"audio": ("a.wav", tone())}),
        ):
            assert said(response) == (
                413,
                "too_large",
                "expected at most 0.01 MiB, found more; send FLAC or MP3, or a shorter recording",
            )
        assert client.post("/v1/predict", json={"text": "come in"}).status_code == 200


def test_a_client_that_asks_too_often_is_429(serving: Serve) -> None:
    with serving(per_minute=2) as client:
        asked = [client.post("/v1/predict", json={"text": "come in"}) for _ in range(3)]
        assert [response.status_code for response in asked] == [200, 200, 429]
        assert said(asked[2])[1:] == (
            "too_many_requests",
            "expected at most 2 requests a minute, found more; wait "
            f"{asked[2].headers['retry-after']} s",
        )
        assert client.get("/health").status_code == 200


def test_timelines_count_as_requests_too(serving: Serve) -> None:
    with serving(per_minute=2) as client:
        asked = [client.post("/v1/timeline"), client.post("/v1/predict", json={"text": "come in"})]
        assert [response.status_code for response in asked] == [422, 200]
        for route in ("timeline", "predict"):
            assert said(client.post(f"/v1/{route}"))[:2] == (429, "too_many_requests")


def test_a_server_that_lets_nobody_ask_is_refused(predictor: Predictor) -> None:
    for limit in (0, -1):
        with pytest.raises(ConfigError, match=f"at least 1 request a minute .* found {limit}; al"):
            create_app(predictor, limits=Limits(per_minute=limit))


def test_json_of_more_than_a_mebibyte_is_413(serving: Serve) -> None:
    with serving() as client:
        response = client.post("/v1/predict", json={"text": "x" * (1 << 20)})
        assert said(response) == (413, "too_large", "expected at most 1 MiB of JSON, found more")
        fits = client.post("/v1/predict", json={"text": "x" * ((1 << 20) - 20)})
        assert said(fits)[:2] == (422, "bad_words")


def test_too_many_in_hand_is_503(serving: Serve) -> None:
    with serving(waiting=1) as client, client.app.state.gate.pass_through():
        response = client.post("/v1/predict", json={"text": "come in"})
        assert said(response)[:2] == (503, "busy")
        assert "1 requests are in hand" in said(response)[2]
        assert response.headers["retry-after"] == "1"
        assert client.get("/health").json()["in_hand"] == 1


def test_the_token_is_asked_of_everything_but_health_and_the_page(serving: Serve) -> None:
    with serving(base_url="http://far.example", token="a long secret") as client:
        assert client.get("/health").status_code == 200
        assert client.get("/").status_code == 200
        status, code, message = said(client.get("/v1/model"))
        assert (status, code) == (401, "no_token")
        assert message.endswith("found none")
        wrong = client.post("/v1/predict", headers={"Authorization": "Bearer another"})
        assert said(wrong)[2].endswith("found another")
        right = {"Authorization": "Bearer a long secret"}
        answer = client.post("/v1/predict", json={"text": "come in"}, headers=right)
        assert answer.status_code == 200


def test_no_other_name_reaches_it(serving: Serve) -> None:
    with serving(base_url="http://evil.example", hosts=("127.0.0.1", "localhost")) as client:
        status, code, message = said(client.get("/v1/model"))
    assert (status, code) == (421, "other_host")
    assert "found 'evil.example'" in message


@pytest.mark.parametrize("host", [b"x/y?", b"127.0.0.1/y?", b"x#", b"[", b""])
def test_what_host_says_does_not_change_the_path(
    predictor: Predictor, places: Path, host: bytes
) -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": b'{"text": "come in"}', "more_body": False}

    asked: dict[str, Any] = {"kind": "application/json", "headers": [(b"host", host)]}
    sent = ask_by_hand(predictor, receive, Limits(), token="a long secret", **asked)
    assert sent[0]["status"] == 401
    sent = ask_by_hand(predictor, receive, Limits(), hosts=("127.0.0.1", "::1"), **asked)
    assert sent[0]["status"] == 421


def test_no_page_elsewhere_posts_here(serving: Serve) -> None:
    with serving(base_url="http://127.0.0.1:8000") as client:
        for origin in ("http://evil.example", "http://127.0.0.1:9000", "null"):
            asked = {"json": {"text": "come in"}, "headers": {"Origin": origin}}
            status, code, message = said(client.post("/v1/predict", **asked))
            assert (status, code) == (403, "other_origin")
            assert f"a page of 127.0.0.1:8000, found one of {origin};" in message
        own = {"Origin": "http://127.0.0.1:8000"}
        assert client.post("/v1/predict", json={"text": "hm"}, headers=own).status_code == 200


def test_a_timeline_has_segments_words_and_a_waveform(serving: Serve) -> None:
    with serving() as client:
        asked = {"segments": "transcript", "srt": SRT}
        response = client.post("/v1/timeline", files={"audio": ("a.wav", tone(4))}, data=asked)
        found = response.json()
        assert response.status_code == 200, found
        assert found["seconds"] == 4
        assert [part["text"] for part in found["segments"]] == ["come in", "it is late"]
        assert len(found["waveform"]) == 1200
        fixed = client.post(
            "/v1/timeline?segments=fixed&window=2",
            content=tone(4),
            headers={"Content-Type": "audio/wav"},
        )
        assert [(p["start"], p["end"]) for p in fixed.json()["segments"]] == [(0, 2), (2, 4)]


@pytest.mark.parametrize(
    "asked,code,sentence",
    [
        ({"segments": "words"}, "bad_field", "expected vad, fixed or transcript, found 'words'"),
        ({"window": "wide"}, "bad_field", "window: expected seconds, found 'wide'"),
        ({"window": "nan"}, "bad_field", "window: expected seconds, found nan"),
        ({"segments": "fixed", "window": "90"}, "unanswerable", "expected at most 60 s"),
        ({"margin": "16"}, "unanswerable", "margin: expected 0 to 15 s"),
        ({"margin": "-1"}, "bad_field", "margin: expected seconds, found -1"),
        ({"segments": "fixed", "hop": "1e-9"}, "too_many_segments", "expected at most 20000"),
        ({"segments": "fixed", "hop": "0.01"}, "unanswerable", "expected 0.05 <= hop <= window"),
        ({"segments": "fixed", "hop": "0"}, "unanswerable", "found hop 0 and window 5 s"),
        ({"segments": "fixed", "window": "0"}, "unanswerable", "found hop 0 and window 0 s"),
        (
            {"segments": "transcript"},
            "unanswerable",
            "expected 'srt' or 'vtt', found none; use segments=vad",
        ),
        ({"segments": "transcript", "srt": "hm"}, "bad_words", "expected cues"),
    ],
)
def test_timelines_that_cannot_be_drawn(
    serving: Serve, asked: dict[str, str], code: str, sentence: str
) -> None:
    with serving() as client:
        response = client.post("/v1/timeline", files={"audio": ("a.wav", tone(2))}, data=asked)
    assert said(response)[:2] == (422, code)
    assert sentence in said(response)[2]
    assert uploads.PREFIX not in said(response)[2]


def test_limits_of_timelines(serving: Serve) -> None:
    with serving(timeline_seconds=3, timelines=0) as client:
        unread = client.post("/v1/timeline", content=b"x", headers={"Content-Type": "text/plain"})
        assert said(unread)[:2] == (503, "busy")
    with serving(timeline_seconds=3) as client:
        assert said(client.post("/v1/timeline"))[:2] == (422, "no_audio")
        response = client.post("/v1/timeline", files={"audio": ("a.wav", tone(4))})
    assert said(response)[:2] == (422, "too_long")
    assert said(response)[2].startswith("a.wav: lasts 4 s, expected at most 3 s")


OVER_AND_OVER = "".join(f"{i}\n00:00:00,000 --> 00:00:02,000\ncome in\n\n" for i in range(1, 10))


@pytest.mark.parametrize(
    "cut", [{"segments": "fixed", "window": "2", "hop": "0.25"}, {"srt": OVER_AND_OVER}]
)
def test_more_sound_in_segments_than_it_takes(serving: Serve, cut: dict[str, str]) -> None:
    with serving(timeline_seconds=4) as client:  # nine segments of 2 s, and 16 s are taken
        asked = {"files": {"audio": ("a.wav", tone(4))}}
        response = client.post("/v1/timeline", data={"segments": "transcript", **cut}, **asked)
        fewer = client.post(
            "/v1/timeline", data={"segments": "fixed", "window": "2", "hop": "0.5"}, **asked
        )
        described = client.get("/openapi.json").json()["paths"]["/v1/timeline"]["post"]
    assert said(response)[:2] == (422, "too_much_sound")
    assert "that last at most 16 s together, found more, since they overlap" in said(response)[2]
    assert len(fewer.json()["segments"]) == 5
    hop = next(field for field in described["parameters"] if field["name"] == "hop")
    assert "at most 16 s together" in hop["schema"]["description"]


def test_one_client_has_one_timeline_in_hand(serving: Serve) -> None:
    asked = {"files": {"audio": ("a.wav", tone(4))}, "data": {"segments": "fixed"}}
    with serving() as client, client.app.state.timelines.pass_through("testclient"):
        response = client.post("/v1/timeline", **asked)
        assert said(response)[:2] == (429, "too_many_in_hand")
        assert "one client to have at most 1 of the timelines in hand, found" in said(response)[2]
    with serving() as client, client.app.state.timelines.pass_through("another"):
        assert client.post("/v1/timeline", **asked).status_code == 200
        with client.app.state.timelines.pass_through("a third"):
            assert said(client.post("/v1/timeline", **asked))[:2] == (503, "busy")


@pytest.mark.parametrize("cut", [{"segments": "fixed", "window": "1"}, {"srt": SRT}])
def test_more_segments_than_it_takes(serving: Serve, cut: dict[str, str]) -> None:
    with serving(segments=1) as client:
        asked = {"segments": "transcript", **cut}
        response = client.post("/v1/timeline", files={"audio": ("a.wav", tone(4))}, data=asked)
    assert said(response)[:2] == (422, "too_many_segments")
    assert "expected at most 1 segments of one recording" in said(response)[2]


def test_its_own_description(serving: Serve) -> None:
    with serving() as client:
        described = client.get("/openapi.json").json()
        posts = {
            path: route["post"] for path, route in described["paths"].items() if "post" in route
        }
        assert set(posts) == {"/v1/predict", "/v1/timeline"}
        for post in posts.values():
            assert "multipart/form-data" in post["requestBody"]["content"]
            assert {"413", "422", "429", "503"} <= set(post["responses"])
        assert client.get("/v1/model").json()["takes"] == ["audio", "audio+text", "text"]
        assert said(client.get("/docs"))[:2] == (404, "no_such_route")
        assert said(client.get("/v1/predict"))[0] == 405


def test_the_page_takes_nothing_from_elsewhere(serving: Serve) -> None:
    with serving() as client:
        page = client.get("/")
        assert "script-src 'self'" in page.headers["content-security-policy"]
        for path in ("", "page.css", "page.js", "wav.js"):
            content = client.get(f"/{path}").text
            assert "http://" not in content
            assert "https://" not in content


def test_answers_of_a_crowd_equal_single_ones(predictor: Predictor, places: Path) -> None:
    """Forty at once: few batches, the same answers, nothing left on disk."""
    asked = [
        (tone(0.3 + i % 7 / 5, hertz=150 + 20 * i), ("come in", "it is late")[i % 2])
        for i in range(40)
    ]

    async def crowd() -> tuple[list[Any], int]:
        app = create_app(predictor, limits=Limits(waiting=160))
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
        ):
            found = await asyncio.gather(
                *(
                    client.post(
                        "/v1/predict", files={"audio": ("a.wav", sound)}, data={"text": text}
                    )
                    for sound, text in asked
                )
            )
            return [response.json() for response in found], app.state.batcher.num_batches

    found, num_batches = asyncio.run(crowd())
    assert num_batches < 20
    for (sound, text), answer in zip(asked, found, strict=True):
        (places / "a.wav").write_bytes(sound)
        expected = predictor.predict(places / "a.wav", text=text)
        (places / "a.wav").unlink()
        assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
        assert answer["end"] == expected.end
    assert not list(places.iterdir())


def ask_by_hand(
    predictor: Predictor,
    receive: Any,
    limits: Limits,
    kind: str = "audio/wav",
    headers: Any = ((b"host", b"127.0.0.1"),),
    **given: Any,
) -> list[Any]:
    """Drive the application as a server does; what it sent."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/predict",
        "raw_path": b"/v1/predict",
        "query_string": b"",
        "root_path": "",
        "headers": [*headers, (b"content-type", kind.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def run() -> None:
        app = create_app(predictor, limits=limits, **given)
        async with app.router.lifespan_context(app):
            await app(scope, receive, send)
            assert app.state.gate.inside == 0

    asyncio.run(run())
    return sent


@pytest.mark.parametrize("kind", ["audio/wav", "multipart/form-data; boundary=x"])
def test_a_client_that_goes_away_leaves_nothing(
    predictor: Predictor, places: Path, kind: str
) -> None:
    seen: list[int] = []
    begun = b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
    messages = [
        {"type": "http.request", "body": begun + tone()[:9000], "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        seen.append(len(list(places.iterdir())))
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    ask_by_hand(predictor, receive, Limits(), kind)
    assert seen[1] == 1  # its folder stood while it was read
    assert not list(places.iterdir())


def test_an_upload_that_stalls_is_408(predictor: Predictor, places: Path) -> None:
    messages = [{"type": "http.request", "body": tone()[:9000], "more_body": True}]

    async def receive() -> Any:
        if not messages:
            await asyncio.sleep(30)
        return messages.pop(0)

    sent = ask_by_hand(predictor, receive, Limits(stall_seconds=0.05))
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["error"]["code"] == "stalled"
    assert not list(places.iterdir())


def test_an_upload_that_trickles_is_408(predictor: Predictor, places: Path) -> None:
    async def receive() -> Any:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    sent = ask_by_hand(predictor, receive, Limits(upload_seconds=0.2))
    assert sent[0]["status"] == 408
    error = json.loads(sent[1]["body"])["error"]
    assert (error["code"], "was not there after 0.2 s" in error["message"]) == ("slow", True)
    assert not list(places.iterdir())


def test_one_client_holds_a_quarter_of_the_places(serving: Serve) -> None:
    with serving(waiting=4) as client, client.app.state.gate.pass_through("testclient"):
        assert said(client.post("/v1/timeline"))[:2] == (429, "too_many_in_hand")
        response = client.post("/v1/predict", json={"text": "come in"})
        assert said(response)[:2] == (429, "too_many_in_hand")
        assert (
            "one client to have at most 1 of the requests in hand, found more" in said(response)[2]
        )
    with serving(waiting=4) as client, client.app.state.gate.pass_through("another"):
        assert client.post("/v1/predict", json={"text": "come in"}).status_code == 200


def test_a_model_that_fails_leaves_nothing_and_goes_on(
    serving: Serve, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> Any:
        raise MemoryError("no room")

    with serving() as client:
        with monkeypatch.context() as patch:
            patch.setattr(predictor, "answers", fail)
            failed = client.post("/v1/predict", files={"audio": ("a.wav", tone())})
        assert said(failed)[:2] == (500, "failed")
        assert client.post("/v1/predict", files={"audio": ("a.wav", tone())}).status_code == 200
