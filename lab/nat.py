"""NATs: routers with one address on the switch, and a network of private addresses behind them.

    nat = Nat(world, "nat-alice", 61, SYMMETRIC)
    alice = nat.host("alice")            # 10.61.0.2; on the switch she is 198.51.100.61

Nothing comes in that nobody inside has asked for (of that address and port: address- and port-dependent filtering,
RFC 4787). No traffic turns round at the router (no hairpinning).
"""
from lab.world import NAME_SERVER, Host, Network, World

# How a packet's source port is chosen on its way out.
PORT_PRESERVING = "masquerade"  # the sender's own: the same to all destinations, so that holes can be punched
SYMMETRIC = "masquerade random,fully-random"  # another for each destination


class Nat:
    """The router; `udp=False`: as in a network with a strict firewall, all UDP but questions for names is dropped."""

    def __init__(self, world: World, name: str, number: int, ports: str = PORT_PRESERVING, udp: bool = True):
        self.world = world
        self.router: Host = world.host(name, number)
        self.inside = Network(f"10.{number}.0.", "", "lan", name)
        self._hosts = 0
        self.router.run("ip", "link", "add", "lan", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        self.router.run("ip", "addr", "add", f"{self.inside.prefix}1/24", "dev", "lan")
        self.router.run("ip", "link", "set", "lan", "up")
        self.router.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        self._write_rules(ports, udp)

    @property
    def address(self) -> str:
        """Where everybody behind it seems to be, seen from outside."""
        return self.router.address

    def host(self, name: str) -> Host:
        """One more machine behind it."""
        self._hosts += 1
        return self.world.host(name, 1 + self._hosts, self.inside)

    def block(self, *addresses: str) -> None:
        """From now on nothing goes there from behind it, and who tries is told."""
        for address in addresses:
            self.router.nft(f"insert rule ip nat forward ip daddr {address} reject with icmp port-unreachable")

    def forget(self) -> None:
        """All mappings are gone, as after a restart: what comes from outside finds nobody, what goes out gets new ports.

        The kernel forgets what it has masqueraded through an interface when that goes down.
        """
        self.router.run("ip", "link", "set", "eth0", "down")
        self.router.bring_up()

    def _write_rules(self, ports: str, udp: bool) -> None:
        # An unasked packet that the router itself took would occupy its port: it would look like a mapping.
        blocked = [] if udp else [f"    iifname lan meta l4proto udp ip daddr != {NAME_SERVER} drop;"]
        self.router.nft(
            "table ip nat {",
            "  chain input {", "    type filter hook input priority filter; policy drop;", "    iifname != eth0 accept;",
            "    ct state established,related accept;", "    icmp type echo-request accept;", "  }",
            "  chain forward {", "    type filter hook forward priority filter; policy drop;", *blocked,
            "    iifname lan accept;", "    ct state established,related accept;", "  }",
            "  chain leaving {", "    type nat hook postrouting priority srcnat;", f"    oifname eth0 {ports};", "  }",
            "}")
