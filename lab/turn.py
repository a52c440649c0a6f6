"""A TURN client from its bytes, over UDP or any connected socket: only what the lab needs of RFC 8656."""
import hashlib
import hmac
import socket
import struct
import threading

from lab import stun
from lab.stun import PORT
from lab.world import Failure, Host

COOKIE = stun.COOKIE.to_bytes(4, "big")
ALLOCATE, REFRESH, SEND, DATA, PERMIT, BIND = 3, 4, 0x16, 0x17, 8, 9


def attribute(kind: int, value: bytes = b"") -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def message(kind: int, transaction: bytes, body: bytes, more: int = 0) -> bytes:
    """Header and attributes; the header counts `more` bytes that come behind."""
    return struct.pack("!HH", kind, len(body) + more) + COOKIE + transaction + body


class Turn:
    """One client's socket on a host (or `over` another one, connected), and its credentials."""

    def __init__(self, host: Host, server: str, username: str, password: str, port: int = PORT, over=None):
        self.socket = over or host.socket(socket.AF_INET6 if ":" in server else socket.AF_INET)
        self.socket.settimeout(2)
        if over is None:
            self.socket.connect((server, port))
        self.username = username.encode()
        self.password = password.encode()
        self.nonce = self.realm = b""
        self.number = 0

    @property
    def transaction(self) -> bytes:
        """Of the next message."""
        return struct.pack("!QI", self.number, 7)

    def request(self, method: int, attributes: bytes = b"") -> bytes:
        """A whole request, with credentials once a challenge has come."""
        body = attributes
        if self.nonce:
            body += attribute(6, self.username) + attribute(0x14, self.realm) + attribute(0x15, self.nonce)
            key = hashlib.md5(b":".join((self.username, self.realm, self.password))).digest()
            body += attribute(8, hmac.digest(key, message(method, self.transaction, body, 24), "sha1"))
        return message(method, self.transaction, body)

    def ask(self, method: int, attributes: bytes = b"") -> tuple:
        """(0 or the error's number, attributes); answers one challenge."""
        for _ in range(2):
            self.socket.send(self.request(method, attributes))
            found = stun.attributes_of(self.socket.recv(2000))
            code = 100 * found[9][2] + found[9][3] if 9 in found else 0
            if code not in (401, 438) or self.nonce and code == 401:
                break
            self.nonce, self.realm = found[0x15], found[0x14]
        self.number += 1
        return code, found

    def allocate(self, more: bytes = b"") -> tuple:
        return self.ask(ALLOCATE, attribute(0x19, b"\x11\0\0\0") + more)

    def peer(self, address: str, port: int = 0) -> bytes:
        """XOR-PEER-ADDRESS of the next message."""
        six = ":" in address
        ip = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, address)
        mask = COOKIE + self.transaction if six else COOKIE
        return attribute(0x12, struct.pack("!BBH", 0, 2 if six else 1, port ^ 0x2112) + _xor(ip, mask))

    def permit(self, address: str, port: int = 1) -> int:
        return self.ask(PERMIT, self.peer(address, port))[0]

    def bind(self, channel: int, address: str, port: int) -> int:
        return self.ask(BIND, attribute(0x0c, struct.pack("!HH", channel, 0)) + self.peer(address, port))[0]

    def send(self, address: str, port: int, data: bytes) -> None:
        self.socket.send(message(SEND, self.transaction, self.peer(address, port) + attribute(0x13, data)))

    def send_channel(self, channel: int, data: bytes) -> None:
        self.socket.send(struct.pack("!HH", channel, len(data)) + data)


class Echo:
    """An allocation that sends back what comes from one address, in a thread of its own, until stop()."""

    def __init__(self, turn: Turn, peer: str):
        code, found = turn.allocate()
        if code == 0:
            code = turn.permit(peer)
        if code != 0:
            raise Failure(f"expected an allocation with a permission for {peer}; the relay answered {code}")
        self.address, self.port = relayed(found)
        self.echoed = 0
        self._turn = turn
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self._turn.socket.close()

    def _run(self) -> None:
        channel = self._turn.socket
        channel.settimeout(0.2)
        while not self._over.is_set():
            try:
                packet = channel.recv(2000)
            except TimeoutError:
                continue
            except ConnectionError:
                return  # its relay is gone
            if struct.unpack_from("!H", packet)[0] == DATA:
                # What differs between a Data and a Send indication with the same attributes is their type.
                channel.send(struct.pack("!H", SEND) + packet[2:])
                self.echoed += 1


def relayed(found: dict) -> tuple:
    """Address and port in XOR-RELAYED-ADDRESS (IPv4)."""
    return stun.xor_address(found[stun.RELAYED])


def _xor(address: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(address, mask))
