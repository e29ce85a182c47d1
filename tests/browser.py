"""Pages in a real browser, over the DevTools protocol: what they draw, ask for, and complain about."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

SECONDS = 60
WIDTH, HEIGHT = 1400, 1000


@dataclass
class Seen:
    """What a page did: complaints on the console, addresses it asked for, and the answers to what was asked of it."""

    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)


def look(
    browser: str, page: Path, *questions: str, theme: Literal["light", "dark"] = "light", height: int = HEIGHT
) -> Seen:
    """Open a page in a tab of its own, and return what was seen until all questions were answered.

    Args:
        browser: the address of its DevTools.
        questions: expressions of JavaScript, put to the page, or to each of its sandboxed frames if it has some; a
            promise is waited for.
        height: of the window: what is further down is not seen.
    """
    return asyncio.run(asyncio.wait_for(_look(browser, page, questions, theme, height), SECONDS))


async def _look(browser: str, page: Path, questions: tuple[str, ...], theme: str, height: int) -> Seen:
    client = AsyncHTTPClient()
    created = await client.fetch(f"{browser}/json/new?about:blank", method="PUT", body="")
    target = json.loads(created.body)
    tab = Tab(await websocket_connect(target["webSocketDebuggerUrl"], max_message_size=2**27))
    try:
        await tab.follow("")
        await tab.ask(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}]
        )
        await tab.ask(
            "Emulation.setDeviceMetricsOverride",
            width=WIDTH,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        await tab.ask("Page.navigate", url=page.as_uri())
        await tab.until_loaded()
        for frame in tab.frames or [""]:
            if frame:
                await tab.follow(frame)
            for question in questions:
                tab.seen.answers.append(await tab.evaluate(question, frame))
    finally:
        tab.connection.close()
        await client.fetch(f"{browser}/json/close/{target['id']}")
    return tab.seen


class Tab:
    """A tab of the browser, with the frames in it that have processes of their own."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection
        self.seen = Seen()
        self.frames: list[str] = []
        self._n = 0
        self._loaded = False

    async def follow(self, session: str) -> None:
        """Be told what happens in the page, or in a frame of it, and what has happened so far."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.ask(f"{domain}.enable", session)
        await self.ask(
            "Target.setAutoAttach", session, autoAttach=True, waitForDebuggerOnStart=False, flatten=True
        )

    async def ask(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Return the answer to a command."""
        self._n += 1
        number = self._n
        message = {"id": number, "method": method, "params": parameters}
        await self.connection.write_message(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            found = await self._next()
            if found.get("id") == number:
                assert "error" not in found, (method, found["error"])
                result: dict[str, Any] = found["result"]
                return result

    async def evaluate(self, expression: str, session: str = "") -> Any:
        """Return the value of an expression in the page, or in a frame of it."""
        answer = await self.ask(
            "Runtime.evaluate", session, expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until_loaded(self) -> None:
        """Wait for the page's load event."""
        while not self._loaded:
            await self._next()

    async def _next(self) -> dict[str, Any]:
        text = await self.connection.read_message()
        assert text is not None, "the browser closed the connection"
        message: dict[str, Any] = json.loads(text)
        await self._note(message.get("method", ""), message.get("params", {}))
        return message

    async def _note(self, method: str, found: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.seen.complaints.append(json.dumps(found["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and found["type"] in ("error", "warning", "assert"):
            self.seen.complaints.append(" ".join(str(item.get("value", "")) for item in found["args"]))
        elif method == "Log.entryAdded" and found["entry"]["level"] in ("error", "warning"):
            self.seen.complaints.append(f"{found['entry']['text']} {found['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.seen.requests.append(found["request"]["url"])
        elif method == "Target.attachedToTarget":
            self.frames.append(found["sessionId"])
