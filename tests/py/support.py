"""What the tests stand on: the broker they are pointed at, a destination that keeps what it is sent and answers by script, and
a client that is either of the SDK's two. Nothing here waits by the clock: time is moved on, and `idle` answers when
everything is done."""

import inspect
import json
import os
import threading
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

URL = os.environ["QSTASH_URL"]
TOKEN = os.environ["QSTASH_TOKEN"]

PATIENCE_S = 30


def broker(method, path):
    request = urllib.request.Request(f"{URL}/_broker/{path}", method=method, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def idle():
    """Until no message waits or is on its way."""
    broker("GET", "idle?timeout=25s")


def advance(by):
    """Moves the broker's time on."""
    broker("POST", f"advance?by={by}")


@dataclass
class Push:
    method: str
    path: str
    url: str
    body: str
    headers: dict = field(repr=False)


class Destination:
    """A server that keeps its requests. `answers` is asked for each: a status and a body."""

    def __init__(self):
        self.pushes, self.changed = [], threading.Condition()
        self.answers = lambda push, before: (200, "")
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                push = Push(self.command, self.path, owner.base + self.path, body, headers)
                status, text = owner.answers(push, len(owner.to(push.path)))
                # Known before it is answered: once the broker is idle, all is here.
                with owner.changed:
                    owner.pushes.append(push)
                    owner.changed.notify_all()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def to(self, path):
        return [push for push in self.pushes if push.path == path]

    def nth(self, path, n=1):
        """The nth request to a path, once it has come."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.to(path)) >= n, PATIENCE_S):
                raise AssertionError(f"request {n} to {path} never came, but {self.pushes}")
        return self.to(path)[n - 1]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Waiting:
    """One of the SDK's two clients: every answer awaited if it must be, every call that came to a good end noted."""

    def __init__(self, client, loop, called, name=""):
        self._client, self._loop, self._called, self._name = client, loop, called, name

    def __getattr__(self, name):
        member, told = getattr(self._client, name), f"{self._name}.{name}".lstrip(".")
        if not callable(member):
            return Waiting(member, self._loop, self._called, told)

        def call(*given, **named):
            answer = member(*given, **named)
            if inspect.isawaitable(answer):
                answer = self._loop.run_until_complete(answer)
            self._called.add(told)
            return answer

        return call


def surface(client):
    """Every public method of every part of a client."""
    parts = {name: part for name, part in vars(client).items() if not name.startswith("_") and name != "http"}
    return {
        f"{name}.{method}"
        for name, part in parts.items()
        for method, _ in inspect.getmembers(type(part), inspect.isfunction)
        if not method.startswith("_")
    }
