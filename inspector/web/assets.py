"""What pages load beside themselves: scripts, styles, the icon."""

import hashlib
from mimetypes import guess_type
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

FOLDER = Path(__file__).parent / "static"


class Assets(Router):
    """Serves the files of a folder as they are now, to be kept for a year, also after an upgrade has exchanged them.

    files: their bytes by name. address: where they are, another place for each version of them, so that a browser may
    keep what it has without asking.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__([Route("/{name}", self._answer)], redirect_slashes=False)
        self.files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        digest = hashlib.sha256()
        for name, content in self.files.items():
            digest.update(f"{name}\0".encode() + hashlib.sha256(content).digest())
        self.address = f"/static/{digest.hexdigest()[:16]}"

    async def _answer(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.files:
            raise HTTPException(404)
        kept = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(self.files[name], headers=kept, media_type=guess_type(name)[0])


ASSETS = Assets(FOLDER)
