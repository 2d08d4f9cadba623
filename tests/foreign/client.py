"""An AudioHook client of foreign make, written from the protocol's description.

It shares no code with Sidetone: signatures by `hmac`, WebSocket by the `websockets` package.
It holds one session, behaves as Genesys would, checks what it is answered, and prints what it
saw as one JSON object. Exit code 1 says that the server broke the protocol.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import sys
import time
import uuid
from urllib.parse import urlsplit

import websockets

NIL = "00000000-0000-0000-0000-000000000000"
FRAME_MS = 200
SAMPLES = FRAME_MS * 8


def signed_headers(url, organization, session, api_key, secret):
    """The handshake's headers, with a signature over the six components."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    values = {
        "@request-target": target,
        "@authority": parts.netloc.lower(),
        "audiohook-organization-id": organization,
        "audiohook-session-id": session,
        "audiohook-correlation-id": str(uuid.uuid4()),
        "x-api-key": api_key,
    }
    created = int(time.time())
    nonce = base64.b64encode(secrets.token_bytes(18)).decode()
    names = " ".join(f'"{name}"' for name in values)
    parameters = (
        f'({names});keyid="{api_key}";nonce="{nonce}";alg="hmac-sha256"'
        f";created={created};expires={created + 30}"
    )
    lines = [f'"{name}": {value}' for name, value in values.items()]
    lines.append(f'"@signature-params": {parameters}')
    key = base64.b64decode(secret)
    mac = hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).digest()
    headers = {name: value for name, value in values.items() if not name.startswith("@")}
    headers["signature-input"] = f"sig1={parameters}"
    headers["signature"] = f"sig1=:{base64.b64encode(mac).decode()}:"
    return headers


def frame(position):
    """A stereo frame whose bytes say where they belong."""
    one = bytearray()
    for sample in range(position, position + SAMPLES):
        one.append((sample // SAMPLES) % 250)
        one.append(sample % 251)
    return bytes(one)


class Broken(Exception):
    """The server broke the protocol."""


class Session:
    """One AudioHook session, from open to closed."""

    def __init__(self, socket, arguments, session):
        self.socket = socket
        self.arguments = arguments
        self.id = session
        self.seq = 0
        self.server_seq = 0
        self.position = 0
        self.paused = False
        self.paused_from = 0
        self.waiting_pings = {}
        self.seen = {"session_id": session, "types": [], "frames": 0, "sent": [], "round_trips_ms": []}
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()

    async def send(self, kind, parameters=None):
        self.seq += 1
        await self.socket.send(
            json.dumps(
                {
                    "version": "2",
                    "id": self.id,
                    "type": kind,
                    "seq": self.seq,
                    "serverseq": self.server_seq,
                    "position": f"PT{self.position / 8000:.6f}S",
                    "parameters": parameters or {},
                    "aFieldOfTomorrow": True,
                }
            )
        )
        return self.seq

    async def open(self):
        a = self.arguments
        probe = a.conversation == NIL
        self.offers = [
            {"type": "audio", "format": "PCMU", "channels": c, "rate": 8000}
            for c in (["external", "internal"], ["external"], ["internal"])
        ]
        await self.send(
            "open",
            {
                "organizationId": a.organization,
                "conversationId": a.conversation,
                "participant": {
                    "id": NIL if probe else str(uuid.uuid4()),
                    "ani": "" if probe else "+15555550100",
                    "aniName": "",
                    "dnis": "" if probe else "+15555550199",
                },
                "media": self.offers,
                "language": "en-US",
            },
        )

    async def listen(self):
        async for message in self.socket:
            if isinstance(message, bytes):
                raise Broken("binary message on a Monitor session")
            await self.receive(json.loads(message))

    async def receive(self, message):
        self.server_seq += 1
        if message["seq"] != self.server_seq:
            raise Broken(f"seq {message['seq']}, expected {self.server_seq}")
        if message["version"] != "2" or message["id"] != self.id:
            raise Broken("version or id is wrong")
        if not isinstance(message["parameters"], dict):
            raise Broken("parameters are not an object")
        if not 0 <= message["clientseq"] <= self.seq:
            raise Broken("clientseq is out of range")
        kind = message["type"]
        self.seen["types"].append(kind)
        if kind == "opened":
            await self.on_opened(message["parameters"])
        elif kind == "pong":
            sent = self.waiting_pings.pop(message["clientseq"], None)
            if sent is None:
                raise Broken("pong without its ping")
            self.seen["round_trips_ms"].append(round((time.monotonic() - sent) * 1000, 3))
        elif kind == "pause":
            await self.pause()
        elif kind == "resume":
            await self.resume()
        elif kind == "disconnect":
            self.seen["disconnect"] = message["parameters"]
            await self.send("close", {"reason": "disconnect"})
        elif kind == "closed":
            self.closed.set()
        else:
            raise Broken(f"unexpected {kind}")

    async def on_opened(self, parameters):
        media = parameters["media"]
        if len(media) > 1 or any(entry not in self.offers for entry in media):
            raise Broken("media is not one of the offers")
        if not set(parameters) <= {"media", "startPaused", "discardTo", "supportedLanguages"}:
            raise Broken("opened has unknown parameters")
        self.seen["media"] = media
        self.seen["start_paused"] = parameters.get("startPaused", False)
        self.opened.set()
        if self.seen["start_paused"]:
            await self.pause()

    async def pause(self):
        if not self.paused:
            self.paused = True
            self.paused_from = self.position
        await self.send("paused")

    async def resume(self):
        start, skipped = self.paused_from, 0
        if self.paused:
            skipped = self.position - start
        else:
            start = self.position
        self.paused = False
        await self.send(
            "resumed",
            {"start": f"PT{start / 8000:.6f}S", "discarded": f"PT{skipped / 8000:.6f}S"},
        )

    async def stream(self, seconds):
        """Frames in real time; the media's time goes on during a pause."""
        begin = time.monotonic()
        for number in range(int(seconds * 1000 / FRAME_MS)):
            await asyncio.sleep(max(0.0, begin + (number + 1) * FRAME_MS / 1000 - time.monotonic()))
            if not self.paused:
                await self.socket.send(frame(self.position))
                self.seen["frames"] += 1
                self.seen["sent"].append(self.position)
            self.position += SAMPLES
            if number % 10 == 4:
                self.waiting_pings[await self.send("ping")] = time.monotonic()

    async def close(self):
        await self.send("close", {"reason": "end"})
        await asyncio.wait_for(self.closed.wait(), 10)


async def hold(arguments):
    session_id = arguments.session or str(uuid.uuid4())
    headers = signed_headers(
        arguments.url, arguments.organization, session_id, arguments.api_key, arguments.secret
    )
    begin = time.monotonic()
    async with websockets.connect(
        arguments.url, additional_headers=headers, user_agent_header="GenesysCloud-AudioHook-Client"
    ) as socket:
        if socket.subprotocol is not None:
            raise Broken("a subprotocol was selected")
        session = Session(socket, arguments, session_id)
        listening = asyncio.create_task(session.listen())
        await session.open()
        await asyncio.wait_for(session.opened.wait(), 5)
        session.seen["opened_ms"] = round((time.monotonic() - begin) * 1000, 3)
        if arguments.conversation == NIL:
            await socket.send(b"")
        else:
            streaming = asyncio.create_task(session.stream(arguments.seconds))
            await asyncio.wait({streaming, listening}, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                streaming.cancel()
                listening.result()
            else:
                await streaming
        await session.close()
        listening.cancel()
        return session.seen


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--organization", required=True)
    parser.add_argument("--api-key", required=True)
    parser.add_argument("--secret", required=True, help="base64")
    parser.add_argument("--conversation", default=NIL, help="a probe without it")
    parser.add_argument("--session")
    parser.add_argument("--seconds", type=float, default=6)
    arguments = parser.parse_args()
    try:
        print(json.dumps(asyncio.run(hold(arguments))))
    except (Broken, asyncio.TimeoutError, websockets.WebSocketException, OSError) as error:
        print(json.dumps({"broken": f"{type(error).__name__}: {error}"}))
        sys.exit(1)


if __name__ == "__main__":
    main()
