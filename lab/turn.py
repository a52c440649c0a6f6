"""A TURN client over UDP, from its bytes: only what the lab needs of RFC 8656."""
import hashlib
import hmac
import socket
import struct
import threading

from lab.world import Failure, Host

PORT = 3478
COOKIE = 0x2112A442
ALLOCATE, SEND, DATA, PERMIT = 3, 0x16, 0x17, 8
_MASK = struct.pack("!I", COOKIE)


class Turn:
    """One client's socket on a host, and its credentials."""

    def __init__(self, host: Host, server: str, username: str, password: str, port: int = PORT):
        self.socket = host.socket()
        self.socket.settimeout(2)
        self.socket.connect((server, port))
        self.username = username.encode()
        self.password = password.encode()
        self.nonce = self.realm = b""
        self.number = 0

    @staticmethod
    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)

    def ask(self, method: int, attributes: bytes = b"") -> tuple:
        """(0 or the error's number, attributes); answers one challenge."""
        for _ in range(2):
            self.number += 1
            transaction = struct.pack("!QI", self.number, 7)
            body = attributes
            if self.nonce:
                body += (self.attribute(6, self.username) + self.attribute(0x14, self.realm) +
                         self.attribute(0x15, self.nonce))
                head = struct.pack("!HHI", method, len(body) + 24, COOKIE) + transaction
                key = hashlib.md5(b":".join((self.username, self.realm, self.password))).digest()
                body += self.attribute(8, hmac.digest(key, head + body, "sha1"))
            self.socket.send(struct.pack("!HHI", method, len(body), COOKIE) + transaction + body)
            found = attributes_of(self.socket.recv(2000))
            code = 100 * found[9][2] + found[9][3] if 9 in found else 0
            if code not in (401, 438) or self.nonce and code == 401:
                return code, found
            self.nonce, self.realm = found[0x15], found[0x14]
        return code, found

    def allocate(self, more: bytes = b"") -> tuple:
        return self.ask(ALLOCATE, self.attribute(0x19, b"\x11\0\0\0") + more)

    def peer(self, address: str, port: int = 0) -> bytes:
        """XOR-PEER-ADDRESS."""
        return self.attribute(0x12, struct.pack("!BBH", 0, 1, port ^ COOKIE >> 16) + _mask(socket.inet_aton(address)))


class Echo:
    """An allocation that sends back what comes from one address, in a thread of its own, until stop()."""

    def __init__(self, turn: Turn, peer: str):
        code, found = turn.allocate()
        if code == 0:
            code, _ = turn.ask(PERMIT, turn.peer(peer))
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


def attributes_of(message: bytes) -> dict:
    found, at = {}, 20
    while at < len(message):
        kind, size = struct.unpack_from("!HH", message, at)
        found[kind] = message[at + 4:at + 4 + size]
        at += 4 + size + -size % 4
    return found


def relayed(found: dict) -> tuple:
    """Address and port in XOR-RELAYED-ADDRESS (IPv4)."""
    port, = struct.unpack_from("!H", found[0x16], 2)
    return socket.inet_ntoa(_mask(found[0x16][4:8])), port ^ COOKIE >> 16


def _mask(address: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(address, _MASK))
