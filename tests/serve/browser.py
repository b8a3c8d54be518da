"""A headless Chromium, driven over a pipe; nothing to install."""

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
    "--remote-debugging-pipe",
)


class Browser:
    """One page of a Chromium of its own; `faults` are what its console complains of."""

    def __init__(self, folder: Path) -> None:
        assert PROGRAM is not None
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            [
                *("bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash"),
                *(PROGRAM, *FLAGS, f"--user-data-dir={folder}", "about:blank"),
            ],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in = os.fdopen(ours_out, "wb", 0), os.fdopen(ours_in, "rb", 0)
        self._number, self._rest, self._session = 0, b"", ""
        self.faults: list[str] = []
        (page,) = (t for t in self("Target.getTargets")["targetInfos"] if t["type"] == "page")
        attached = self("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **parameters: Any) -> Any:
        """What the browser answers to a command of its DevTools protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                self._rest += self._in.read(1 << 16) or b'{"id": -1}\0'
            line, self._rest = self._rest.split(b"\0", 1)
            heard = json.loads(line)
            if heard.get("id") in (self._number, -1):
                assert "result" in heard, (method, heard)
                return heard["result"]
            entry = heard.get("params", {}).get("entry", {})
            if heard.get("method") == "Runtime.exceptionThrown" or entry.get("level") == "error":
                self.faults.append(line.decode())

    def value(self, script: str) -> Any:
        """What a line of JavaScript gives."""
        found = self("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = 60.0) -> None:
        """Until a line of JavaScript is true."""
        until = time.monotonic() + seconds
        while not self.value(script):
            assert time.monotonic() < until, (script, self.faults)
            time.sleep(0.1)

    def press(self, key: str, text: str = "") -> None:
        """One key, as a person would."""
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        named = {"key": key, "windowsVirtualKeyCode": code}
        self("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
        self("Input.dispatchKeyEvent", type="keyUp", **named)

    def choose(self, selector: str, file: Path) -> None:
        """A file, in the input that a selector names."""
        root = self("DOM.getDocument")["root"]["nodeId"]
        node = self("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def resize(self, width: int, height: int = 900) -> None:
        """A window of that many pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self("Emulation.setDeviceMetricsOverride", **size)

    def screenshot(self) -> bytes:
        """What stands in the window, as PNG."""
        return base64.b64decode(self("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        """End the process."""
        self._out.close()
        self._process.terminate()
        self._process.wait(10)
        self._in.close()
