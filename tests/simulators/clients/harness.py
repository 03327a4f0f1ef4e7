"""What the Python clients share: where the simulators are, control commands, checks, a receiver.

The line that `simulators --json` printed comes in the environment variable SIMULATORS.
"""

import json
import os
import queue
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SIMULATORS = json.loads(os.environ["SIMULATORS"])
WAIT = 20  # seconds for anything that must come


def control(platform, what, body=None):
    """POST with a body, GET without."""
    request = urllib.request.Request(
        f"{SIMULATORS['control']}/{platform}/{what}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=WAIT) as response:
        return json.load(response)


def check(name, passed, seen=None):
    """One line for each check; the first that fails ends the script."""
    print(f"{'ok' if passed else 'FAILED'}  {name}" + ("" if passed else f": {seen!r:.500}"), flush=True)
    if not passed:
        sys.exit(1)


class Receiver:
    """A webhook that keeps what it was sent. `answer(method, path, body)` gives status and body."""

    def __init__(self, answer):
        self.requests = queue.Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                receiver.requests.put((self.command, self.path, dict(self.headers), body))
                status, text = answer(self.command, self.path, body)
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self):
        return self.requests.get(timeout=WAIT)
