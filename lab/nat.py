"""A site behind a NAT: hosts on a switch of their own, 10.9.0.0/24, whose router has one address on the world's.

The NAT is as hard as they come: it maps each connection to a port drawn by chance (symmetric), and lets nothing in
that does not answer something from inside.
"""
import subprocess

from lab.world import Host, World, ip_batch

INSIDE = "10.9.0."
_RULES = """
table ip site {
  chain out { type nat hook postrouting priority srcnat; oifname "eth0" masquerade fully-random; }
  chain through {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "inside" accept
  }
}
"""


class InsideHost(Host):
    """A machine of the site."""

    def __init__(self, name: str, number: int, router: Host):
        self.name = name
        self.address = f"{INSIDE}{number}"
        self.address6 = ""
        self.port = f"in{number}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        ip_batch(f"link add {self.port} type veth peer name eth0 netns {name}",
                  f"link set {self.port} master inside up", host=router.name)
        ip_batch("link set lo up", "link set eth0 gso_max_segs 1", f"addr add {self.address}/24 dev eth0",
                  "link set eth0 up", f"route add default via {INSIDE}1", host=name)


class Site:
    """The router, and the hosts behind it; the world knows them by name like others."""

    def __init__(self, world: World, name: str, number: int):
        self.world = world
        self.router = world.host(name, number)
        ip_batch("link add inside type bridge forward_delay 0 mcast_snooping 0", f"addr add {INSIDE}1/24 dev inside",
                  "link set inside up", host=name)
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.router.run("nft", "-f", "-", input=_RULES)

    def host(self, name: str, number: int) -> Host:
        self.world.hosts[name] = InsideHost(name, number, self.router)
        return self.world.hosts[name]

    def forget(self) -> None:
        """All mappings are gone, as after a restart of the router: what is masqueraded goes with its address."""
        address = f"{self.router.address}/24"
        ip_batch(f"addr del {address} dev eth0", f"addr add {address} dev eth0", host=self.router.name)
