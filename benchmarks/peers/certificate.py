"""A self-signed certificate for the provider, which every stack is given as a CA file."""

from __future__ import annotations

import subprocess
from pathlib import Path

from imagequeue.producer.local.ports import LOOPBACK


def make_certificate(folder: Path) -> Path:
    """Write a key and a certificate for 127.0.0.1, in one PEM file; the `openssl` command makes it.

    P-256, because that is what public providers and their CDNs use: a handshake then costs what it
    costs there.
    """
    key, certificate, both = (folder / name for name in ("key.pem", "certificate.pem", "tls.pem"))
    command = [
        *("openssl", "req", "-x509", "-nodes", "-days", "2"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-subj", "/CN=benchmark", "-addext", f"subjectAltName=IP:{LOOPBACK}"),
        *("-keyout", str(key), "-out", str(certificate)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    both.write_text(key.read_text() + certificate.read_text())
    return both
