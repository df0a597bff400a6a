"""What browsers keep: our own and others' styles and scripts, under paths that change with what is in them."""

import functools
import hashlib
import os
from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

FOLDER = Path(__file__).parent / "static"

_VENDOR = {
    "htmx": "vendor/htmx-2.0.10/htmx.min.js",
    "tabler.css": "vendor/tabler-1.4.0/tabler.min.css",
    "tabler.js": "vendor/tabler-1.4.0/tabler.min.js",
    "icons.css": "vendor/tabler-icons-3.44.0/css/tabler-icons.min.css",
    "chart": "vendor/chart-4.4.0/chart.min.js",
}
_YEAR = "public, max-age=31536000, immutable"


@functools.cache
def _version() -> str:
    """Return eight digits that change when one of our own files does."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.iterdir()):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:8]


def asset(name: str) -> str:
    """Return the URL of an asset: a short name of somebody else's (``htmx``), or the file name of one of ours."""
    if name in _VENDOR:
        return f"/static/{_VENDOR[name]}"
    return f"/static/v-{_version()}/{name}"


class _Kept(StaticFiles):
    """Files whose path holds their version: a browser asks for each of them once."""

    def get_path(self, scope: Scope) -> str:
        path = super().get_path(scope)
        first, _, rest = path.partition(os.sep)
        return rest if first.startswith("v-") else path

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.status_code in {200, 304}:
            response.headers["Cache-Control"] = _YEAR
        return response


def static_files() -> ASGIApp:
    """Return the app that serves the folder, compressed for those who take it."""
    return GZipMiddleware(_Kept(directory=FOLDER), minimum_size=1024, compresslevel=6)
