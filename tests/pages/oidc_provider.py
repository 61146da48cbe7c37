"""A sign-in provider for tests (OpenID Connect, authorization code flow), which identifies the person without a question."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "cnn-studio", "only-for-tests-0123456789"


class Provider:
    """A provider at `url`. person: the claims of the person who signs in next."""

    def __init__(self, port: int) -> None:
        self.url, self.person = f"http://127.0.0.1:{port}", {"sub": "1", "email": "ann@school.example"}
        self.key = RSAKey.generate_key(2048, {"kid": "tests"})
        self.nonces: dict[str, str] = {}

    def configuration(self) -> dict[str, object]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def authorize(self, parameters: dict[str, list[str]]) -> str:
        """Return the address of the redirect back to the dashboard, with a code for the person."""
        code = f"code-{len(self.nonces)}"
        self.nonces[code] = parameters["nonce"][0]
        return f"{parameters['redirect_uri'][0]}?{urlencode({'code': code, 'state': parameters['state'][0]})}"

    def token(self, parameters: dict[str, list[str]]) -> dict[str, object]:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 600,
            "nonce": self.nonces[parameters["code"][0]],
            **self.person,
        }
        return {
            "access_token": "none",
            "token_type": "Bearer",
            "id_token": jwt.encode({"alg": "RS256", "kid": "tests"}, claims, self.key),
        }


@contextmanager
def serving() -> Iterator[Provider]:
    """Run a provider on a free port for the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(parse_qs(address.query)))
                self.end_headers()
            elif address.path == "/keys":
                self._send({"keys": [provider.key.as_dict(private=False)]})
            else:
                self._send(provider.configuration())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._send(provider.token(parse_qs(body)))

        def _send(self, content: dict[str, object]) -> None:
            data = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """Print no requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()


def write_secrets(path: Path, url: str, address: str = "http://127.0.0.1:{port}") -> Path:
    """Write the file of secrets for the provider at `url` and return its path. address: that of the dashboard in browsers."""
    path.write_text(
        f'[auth]\nredirect_uri = "{address}/oauth2callback"\ncookie_secret = "{SECRET}"\nclient_id = "{CLIENT}"\n'
        f'client_secret = "{SECRET}"\nserver_metadata_url = "{url}/.well-known/openid-configuration"\n'
    )
    return path
