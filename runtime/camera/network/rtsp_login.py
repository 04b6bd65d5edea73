"""A camera's password, as HTTP and RTSP ask for it: Basic and Digest (RFC 7616, RFC 2069). Pure but for the nonce."""

from __future__ import annotations

import base64
import hashlib
import os
import re

PART = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')
HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


class Login:
    """Answers what a server asks of one user."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._scheme = ""
        self._asked: dict[str, str] = {}
        self._count = 0

    def ask(self, challenges: list[str]) -> bool:
        """Take the server's challenges; False: there is no user, or none of them is known here."""
        found: dict[str, dict[str, str]] = {}
        for challenge in challenges:
            scheme, _, rest = challenge.strip().partition(" ")
            parts = {name.lower(): quoted or plain for name, quoted, plain in PART.findall(rest)}
            if scheme.lower() == "basic" or parts.get("algorithm", "MD5").upper() in HASHES:
                found.setdefault(scheme.lower(), parts)
        self._scheme = "digest" if "digest" in found else "basic" if "basic" in found else ""
        self._asked, self._count = found.get(self._scheme, {}), 0
        return bool(self._user and self._scheme)

    def header(self, method: str, url: str) -> str:
        """The value of an Authorization header; empty before the server asked."""
        if not self._scheme:
            return ""
        if self._scheme == "basic":
            return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        return self._digest(method, url)

    def _digest(self, method: str, url: str) -> str:
        asked = self._asked
        realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
        algorithm = asked.get("algorithm", "MD5").upper()

        def hashed(text: str) -> str:
            return HASHES[algorithm](text.encode()).hexdigest()

        secret, place = hashed(f"{self._user}:{realm}:{self._password}"), hashed(f"{method}:{url}")
        says = {"username": self._user, "realm": realm, "nonce": nonce, "uri": url}
        more = ""
        if "auth" in asked.get("qop", "").replace(" ", "").split(","):
            self._count += 1
            own, count = os.urandom(8).hex(), f"{self._count:08x}"
            says |= {"response": hashed(f"{secret}:{nonce}:{count}:{own}:auth:{place}"), "cnonce": own}
            more = f", qop=auth, nc={count}"
        else:
            says["response"] = hashed(f"{secret}:{nonce}:{place}")
        if "opaque" in asked:
            says["opaque"] = asked["opaque"]
        if "algorithm" in asked:
            more += f", algorithm={algorithm}"
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in says.items()) + more
