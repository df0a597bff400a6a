"""The floor: FastAPI handlers that do what cannot be left out, and nothing else.

Placing and status run the same statements on the same kind of pool with arguments that come ready in a minimal body;
the list is handed out from memory. No key is looked up by its hash, no form or XML is read, nothing is checked.
"""

import argparse
import contextlib
import os
from collections.abc import AsyncIterator

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

from app.db import Database
from app.orders.service import PLACE, STATUS

IP = "127.0.0.1"
WINDOW_SECONDS = 30


def build_floor(conninfo: str, pool_size: int, catalog_version: int) -> FastAPI:
    """Return the floor as an ASGI app; ``PUT /kept`` sets the bytes that ``POST /kept`` returns."""
    db = Database(conninfo, pool_size=pool_size)
    kept = {"body": b""}

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await db.open()
        yield
        await db.close()

    app = FastAPI(lifespan=lifespan)

    @app.get("/ready")
    async def ready() -> Response:
        return Response()

    @app.post("/place")
    async def place(request: Request) -> Response:
        order = orjson.loads(await request.body())
        rows = orjson.dumps(
            [
                {
                    "n": 1,
                    "service": order["service"],
                    "device": order["device"],
                    "quantity": 1,
                    "fields": {},
                    "fingerprint": order["fingerprint"],
                    "reference": "",
                }
            ]
        ).decode()
        async with db.pool.connection() as conn:
            cursor = await conn.execute(PLACE, (order["key"], IP, catalog_version, WINDOW_SECONDS, "bench", rows))
            [row] = await cursor.fetchall()
        return Response(orjson.dumps({row["outcome"]: row["order_id"]}), media_type="application/json")

    @app.post("/status")
    async def status(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        async with db.pool.connection() as conn:
            cursor = await conn.execute(STATUS, (asked["key"], IP, asked["ids"]))
            rows = await cursor.fetchall()
        return Response(orjson.dumps(rows), media_type="application/json")

    @app.put("/kept")
    async def keep(request: Request) -> Response:
        kept["body"] = await request.body()
        return Response()

    @app.post("/kept")
    async def give() -> Response:
        return Response(kept["body"], media_type="application/json")

    return app


def main() -> None:
    """Serve the floor on loopback; the database comes as DATABASE_URL, because arguments are visible to everybody."""
    parser = argparse.ArgumentParser(prog="python -m bench.floor", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pool-size", type=int, required=True)
    parser.add_argument("--catalog-version", type=int, required=True)
    arguments = parser.parse_args()
    app = build_floor(os.environ["DATABASE_URL"], arguments.pool_size, arguments.catalog_version)
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
