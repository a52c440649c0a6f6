"""A SIP internet on one machine: hosts, DNS, proxies, phones and a P2PSIP domain, for tests and the demo."""
