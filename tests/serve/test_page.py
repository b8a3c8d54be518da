"""The page in a real browser: by keyboard, on a phone's width, recorded and dropped sounds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PROGRAM, Browser
from listening import Listening
from sounds import tone

from crosstone.inference import Predictor

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Browser]:
    browser = Browser(tmp_path / "profile")
    yield browser
    browser.close()


def text_of(page: Browser, name: str) -> str:
    return str(page.value(f"document.getElementById('{name}').innerText"))


ANSWERED = "!document.getElementById('answer').hidden || document.getElementById('fault').innerText"


def test_a_person_asks(predictor: Predictor, page: Browser, tmp_path: Path) -> None:
    (tmp_path / "call.wav").write_bytes(tone(2.0))
    with Listening(predictor) as server:
        page.resize(360)
        page("Page.navigate", url=server.address)
        page.wait("document.getElementById('about')?.innerText.startsWith('mood')")

        page.choose("#file", tmp_path / "call.wav")
        page.wait("!document.getElementById('player').hidden")
        assert text_of(page, "sound-state") == "call.wav, 0:02.0"
        inked = "new Set(document.getElementById('waveform').getContext('2d').getImageData(0, 0, "
        assert page.value(f"{inked}300, 100).data).size") > 3

        # by keyboard from the words on
        page.value("document.getElementById('text').focus()")
        page("Input.insertText", text="come in")
        order = []
        for _ in range(2):
            page.press("Tab")
            order.append(page.value("document.activeElement.id || document.activeElement.value"))
        assert order == ["predict", "ask"]
        page.press("Enter", "\r")
        page.wait(ANSWERED)
        assert not text_of(page, "fault")
        expected = predictor.predict(tmp_path / "call.wav", text="come in")
        assert text_of(page, "verdict").startswith(str(expected.label))
        assert text_of(page, "said") == "come in"
        assert page.value("document.activeElement.id") == "answer"
        assert page.value("document.querySelectorAll('#bars li').length") == 2

        page.value("document.querySelector('[value=timeline]').click()")
        page.value("document.getElementById('text').value = '00:00.200 --> 00:01.500\\ncome in'")
        page.value("document.getElementById('ask').click()")
        page.wait("!document.getElementById('timeline').hidden")
        assert "come in" in text_of(page, "parts")

        for width in (320, 420, 1280):
            page.resize(width)
            assert page.value("document.documentElement.scrollWidth") <= width
        assert page.screenshot().startswith(b"\x89PNG")

        nameless = [
            node["role"]["value"]
            for node in page("Accessibility.getFullAXTree")["nodes"]
            if node.get("role", {}).get("value") in ("button", "textbox", "radio", "img", "list")
            and not node.get("name", {}).get("value")
        ]
        assert not nameless
    assert not page.faults


def test_a_recording_and_a_fault(predictor: Predictor, page: Browser) -> None:
    with Listening(predictor, token="a long secret") as server:
        page("Page.navigate", url=server.address)
        page.wait("document.activeElement?.id === 'token'")
        page("Input.insertText", text="a long secret")
        page.press("Enter", "\r")
        page.wait("!document.getElementById('question').hidden")

        page.value("document.getElementById('ask').click()")
        assert text_of(page, "fault").startswith("Record something")
        page.value("document.getElementById('record').focus()")
        page.press(" ", " ")
        page.wait("document.getElementById('sound-state').innerText >= 'Recording, 0:00.7'")
        page.press(" ", " ")
        page.wait("!document.getElementById('player').hidden")
        assert text_of(page, "sound-state").startswith("recording.wav, 0:0")
        page.value("document.getElementById('ask').click()")
        page.wait(ANSWERED)
        assert not text_of(page, "fault")
        page.value("document.getElementById('text').value = 'door '.repeat(99)")
        page.value("document.getElementById('ask').click()")
        page.wait("document.getElementById('fault').innerText")
        assert "expected texts of at most 38 tokens" in text_of(page, "fault")
