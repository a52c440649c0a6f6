"""Other people's TURN clients: libnice's, and Chromium's."""
import http.server
import json
import queue
import subprocess
import threading
import urllib.parse
from pathlib import Path

import pytest

from lab.turn import PORT
from lab.world import STATE, Failure
from relay_scene import TLS_PORT, Scene, credentials

pytestmark = [pytest.mark.world, pytest.mark.causeway]

HERE = Path(__file__).resolve().parent
PACKETS = 100


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_libnice(transport):
    scene = Scene()
    program = STATE / "ice_relayed"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "nice"], capture_output=True, text=True, check=True)
    subprocess.run(["cc", "-o", program, HERE / "ice_relayed.c", *flags.stdout.split()], check=True)
    username, password = credentials()
    done = scene.client.run(program, scene.address, PORT, username, password, transport, PACKETS,
                            seconds=60)
    assert json.loads(done.stdout) == {"sent": PACKETS, "returned": PACKETS, "local": "relayed", "remote": "relayed"}
    counters = scene.counters()
    assert counters["relay_allocations_total"] == 2
    # There and back, and each way passes both relayed addresses.
    assert counters['relay_packets_total{to="peer"}'] >= 2 * PACKETS


class Page(http.server.BaseHTTPRequestHandler):
    """Serves relayed.html, and takes what it says."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write((HERE / "relayed.html").read_bytes())

    def do_POST(self):
        self.server.results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_chromium(transport):
    scene = Scene()
    relay = (f"turns:{scene.address}:{TLS_PORT}?transport=tcp" if transport == "tls" else
             f"turn:{scene.address}:{PORT}?transport={transport}")
    with scene.client.inside():
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Page)
    server.results = queue.Queue()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    username, password = credentials()
    query = urllib.parse.urlencode({"url": relay, "packets": PACKETS,
                                    "user": username, "password": password})
    browser = scene.client.start(
        "chromium", "chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--ignore-certificate-errors", f"--user-data-dir={STATE / 'chromium'}", "--remote-debugging-port=0",
        f"http://127.0.0.1:8000/?{query}")
    try:
        result = server.results.get(timeout=60)
    except queue.Empty:
        raise Failure(f"expected Chromium to say what it did within 60 s; it said: {browser.tail(20)}") from None
    assert result == {"sent": PACKETS, "returned": PACKETS, "state": "connected", "local": "relay",
                      "protocol": transport, "remote": "relay"}
    assert scene.counters()["relay_allocations_total"] >= 2
