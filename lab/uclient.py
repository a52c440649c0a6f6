"""turnutils_uclient, coturn's TURN client: what it sent, what came back."""
import re
import subprocess

from lab.world import Failure, Host, Program

PACKET = 172  # bytes: 20 ms of G.711 in RTP
INTERVAL = 20  # ms


class Uclient:
    """Sends packets through a relay to a peer that sends them back, in the background."""

    def __init__(self, host: Host, relay: str, username: str, password: str, peer: tuple, packets: int):
        self.program: Program = host.start(
            "turnutils_uclient", "turnutils_uclient", "-u", username, "-w", password, "-n", packets, "-l", PACKET,
            "-z", INTERVAL, "-c", "-e", peer[0], "-r", peer[1], relay)

    def finish(self, seconds: float) -> tuple:
        """(sent, received, lost), when it has ended."""
        try:
            self.program.process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"expected turnutils_uclient to end within {seconds:g} s; it said:\n"
                          f"{self.program.tail()}") from late
        return counted(self.program.output())


def counted(said: str) -> tuple:
    """(sent, received, lost) in what it has printed."""
    totals = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", said)
    lost = re.findall(r"Total lost packets (\d+)", said)
    if not totals or not lost:
        raise Failure(f"expected turnutils_uclient to count its packets; it said:\n{said[-1500:]}")
    return int(totals[-1][0]), int(totals[-1][1]), int(lost[-1])
