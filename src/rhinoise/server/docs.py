"""GET /docs: every address of this server, told by a page of ours; nothing is loaded from elsewhere."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

PAGE = Path(__file__).parent / "pages" / "docs.html"
POLICY = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"

routes = APIRouter()


@routes.get("/docs", include_in_schema=False)
async def page() -> HTMLResponse:
    """The page, which reads /openapi.json."""
    return HTMLResponse(PAGE.read_text(encoding="utf-8"), headers={"Content-Security-Policy": POLICY})
