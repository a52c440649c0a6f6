"""A certificate authority for the servers' TLS (RFC 5922: a domain's certificate names the domain)."""
import subprocess
from pathlib import Path
from typing import Sequence

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class CertificateAuthority:
    """Keys and certificates in PEM files in one folder; `certificate` is what others trust."""

    def __init__(self, folder: Path, name: str = "Lab CA"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self._openssl("req", "-x509", *_KEY, "-days", "30", "-subj", f"/CN={name}",
                      "-keyout", "ca.key", "-out", "ca.pem")

    def issue(self, domain: str, addresses: Sequence[str] = ()):
        """(certificate file, key file) for the domain and its sip1, sip2, sip3."""
        names = [f"DNS:{domain}", f"URI:sip:{domain}"] + [f"DNS:sip{number}.{domain}" for number in (1, 2, 3)]
        names += [f"IP:{address}" for address in addresses]
        (self.folder / f"{domain}.ext").write_text(f"subjectAltName={','.join(names)}\n")
        self._openssl("req", *_KEY, "-subj", f"/CN={domain}", "-keyout", f"{domain}.key", "-out", f"{domain}.csr")
        self._openssl("x509", "-req", "-in", f"{domain}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                      "-CAcreateserial", "-days", "30", "-extfile", f"{domain}.ext", "-out", f"{domain}.pem")
        return self.folder / f"{domain}.pem", self.folder / f"{domain}.key"

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)
