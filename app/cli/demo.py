"""The command ``demo``: the whole system on this machine, with a supplier to buy from and a reseller with credit."""

import json
import os
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from app.access.invites import accept_invite
from app.access.passwords import hash_password
from app.cli.processes import Supervisor
from app.cli.session import Session, database, fail, settings_or_exit, with_open_database
from app.customers.portal import invite_customer
from app.migrate import migrate
from app.settings import Settings
from app.simulator import DEFAULT_API_KEY
from app.staff.members import invite
from app.staff.service import create_staff, create_token

READY_SECONDS = 120.0
EMAIL = "demo@example.com"
SUPPLIER = "Simulator"
CREDIT = "1000000.00"


@dataclass(frozen=True, slots=True)
class Offer:
    """A service of the demo: the simulator's id and what we make of it."""

    remote_id: str
    name: str
    group: str
    type: str
    price: str
    time: str


OFFERS = (
    Offer("101", "iPhone Carrier and Find My Status", "Apple Checks", "imei", "0.20", "Instant"),
    Offer("103", "GSX Full Report", "Apple Checks", "imei", "2.00", "1-5 Minutes"),
    Offer("202", "Blacklist Status Worldwide", "Android Checks", "imei", "0.10", "Instant"),
    Offer("301", "AT&T USA iPhone Unlock (Clean)", "Network Unlocks", "imei", "19.00", "1-24 Hours"),
    Offer("303", "Unlock that the supplier always rejects", "Network Unlocks", "imei", "3.00", "1-60 Minutes"),
    Offer("401", "Repair Tool 12 Months Activation", "Tool Activations", "server", "60.00", "1-15 Minutes"),
)
IMEI_OFFER, SERVER_OFFER = OFFERS[0], OFFERS[-1]


def demo() -> None:
    """Run the whole system on this machine: database, server, worker, a simulated supplier, a reseller with credit.

    Prints who signs in at /admin and /portal, the URL, username and key of the reseller and three curl calls to paste,
    and writes the same facts to var/demo.json. PORT chooses the port. Ctrl-C stops everything; a second run keeps its
    data. Example: trunkline demo
    """
    settings = settings_or_exit()
    if _taken(settings.port):
        fail(f"Port {settings.port} is taken; choose another, for example: PORT=8010 make demo")
    with database(settings) as settings:
        migrate(settings.database_conninfo)
        facts = _Facts(settings)
        simulator_port = _free_port(settings.port)
        environment = {
            "DATABASE_URL": settings.database_conninfo,
            "SIMULATOR_API_KEY": DEFAULT_API_KEY,
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "warning"),
        }
        simulator = ["simulator", "--port", str(simulator_port), "--data", str(settings.var_dir / "simulator.sqlite")]
        # Slow enough that a person sees an order go from 0 through 1 to 4.
        pace = ["--accept-seconds", "1.5", "--work-seconds", "4"]
        supervisor = Supervisor([[*simulator, *pace], ["serve"], ["worker"]], environment)

        def ready() -> None:
            shop = _Shop(settings, supervisor)
            known = shop.open(facts.read(), f"http://127.0.0.1:{simulator_port}")
            facts.write(known)
            _explain(known, shop.next_order(known), supervisor)

        supervisor.run(ready)


class _Facts:
    """What a script needs to know of the demo, kept in ``var/demo.json`` between runs."""

    def __init__(self, settings: Settings) -> None:
        self._path: Path = settings.var_dir / "demo.json"

    def read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, facts: dict[str, Any]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".tmp")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(facts, indent=2) + "\n")
        draft.replace(self._path)


class _Shop:
    """Sets the demo up through the staff API, as an operator's script would."""

    def __init__(self, settings: Settings, supervisor: Supervisor) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._url = f"http://127.0.0.1:{settings.port}"

    def open(self, known: dict[str, Any], simulator_url: str) -> dict[str, Any]:
        """Return the facts of a shop that works: the known one where it still does, else a new one."""
        with httpx2.Client(base_url=self._url, timeout=30) as client:
            self._wait(client)
            token = known.get("staff_token", "")
            if not token or not self._accepts(client, token):
                token = with_open_database(self._settings, self._make_token)
            client.headers["Authorization"] = f"Bearer {token}"
            supplier_id = self._supplier(client, simulator_url)
            services = self._services(client, supplier_id)
            facts = {
                "url": self._settings.base_url,
                "staff_email": EMAIL,
                "username": known.get("username"),
                "key": known.get("key"),
                "password": known.get("password"),
                "staff_token": token,
                "imei_service_id": services[IMEI_OFFER.name],
                "server_service_id": services[SERVER_OFFER.name],
            }
            if not self._key_works(client, facts):
                facts |= self._reseller(client) | {"password": None}
            if facts["password"] is None:
                facts["password"] = self._let_in(client, facts["username"])
            return facts

    def next_order(self, facts: dict[str, Any]) -> int:
        """Return the number that the next order will have, so that the printed calls fit together."""
        with httpx2.Client(base_url=self._url, timeout=30) as client:
            client.headers["Authorization"] = f"Bearer {facts['staff_token']}"
            newest = _ok(client.get("/api/admin/orders"))["items"][:1]
        return newest[0]["id"] + 1 if newest else 1

    def _wait(self, client: httpx2.Client) -> None:
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and not self._supervisor.stopping:
            try:
                if client.get("/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.1)
        fail("The server did not come up; run it with LOG_LEVEL=info to see why.")

    def _accepts(self, client: httpx2.Client, token: str) -> bool:
        return client.get("/api/admin/kinds", headers={"Authorization": f"Bearer {token}"}).status_code == 200

    @staticmethod
    async def _make_token(session: Session) -> str:
        async with session.db.transaction() as conn:
            staff_id = await create_staff(conn, email=EMAIL, name="Demo", role="owner", if_missing=True)
            return (await create_token(conn, session.sealer, staff_id, label="demo")).token

    def _supplier(self, client: httpx2.Client, simulator_url: str) -> int:
        config = {"base_url": simulator_url, "username": "simulator", "api_key": DEFAULT_API_KEY}
        listed = _ok(client.get("/api/admin/suppliers"))["items"]
        found = next((supplier for supplier in listed if supplier["name"] == SUPPLIER), None)
        if found is None:
            found = _ok(client.post("/api/admin/suppliers", json={"name": SUPPLIER, "kind": "dhru", "config": config}))
        else:
            # The simulator's port is another one at each start.
            _ok(client.patch(f"/api/admin/suppliers/{found['id']}", json={"config": config}))
        _ok(client.post(f"/api/admin/suppliers/{found['id']}/sync"))
        return int(found["id"])

    def _services(self, client: httpx2.Client, supplier_id: int) -> dict[str, int]:
        ours = {row["name"]: row["id"] for row in _ok(client.get("/api/admin/services"))["items"]}
        theirs = {
            row["remote_id"]: row for row in _ok(client.get(f"/api/admin/suppliers/{supplier_id}/services"))["items"]
        }
        for offer in OFFERS:
            if offer.name in ours:
                continue
            remote = theirs[offer.remote_id]
            body = {
                "name": offer.name,
                "group": offer.group,
                "type": offer.type,
                "price": offer.price,
                "time": offer.time,
                "fields": remote["fields"],
            }
            ours[offer.name] = _ok(client.post("/api/admin/services", json=body))["id"]
            _ok(
                client.post(
                    "/api/admin/routes", json={"service_id": ours[offer.name], "remote_service_id": remote["id"]}
                )
            )
        return ours

    def _key_works(self, client: httpx2.Client, facts: dict[str, Any]) -> bool:
        if not facts["username"] or not facts["key"]:
            return False
        form = {"username": facts["username"], "apiaccesskey": facts["key"], "action": "accountinfo"}
        return "SUCCESS" in client.post("/api/index.php", data=form).json()

    def _reseller(self, client: httpx2.Client) -> dict[str, str]:
        number = len(_ok(client.get("/api/admin/customers"))["items"]) + 1
        body = {"name": f"Demo Reseller {number}", "email": f"reseller{number}@example.com"}
        customer = _ok(client.post("/api/admin/customers", json=body))
        path = f"/api/admin/customers/{customer['id']}"
        _ok(client.post(f"{path}/topups", json={"amount": CREDIT, "reference": "demo"}))
        key = _ok(client.post(f"{path}/keys", json={"label": "demo", "requests_per_minute": 0}))
        return {"username": key["username"], "key": key["key"]}

    def _let_in(self, client: httpx2.Client, username: str) -> str:
        """Return the password with which the operator and the reseller sign in from now on."""
        customers = _ok(client.get("/api/admin/customers"))["items"]
        customer_id = next(row["id"] for row in customers if row["username"] == username)
        password = secrets.token_urlsafe(12)

        async def work(session: Session) -> None:
            hashed = await hash_password(password)
            async with session.db.transaction() as conn:
                staff_id = await create_staff(conn, email=EMAIL, name="Demo", role="owner", if_missing=True)
                for invited, _ends in (
                    await invite(conn, session.sealer, staff_id),
                    await invite_customer(conn, session.sealer, customer_id),
                ):
                    await accept_invite(conn, session.sealer, invited, hashed)

        with_open_database(self._settings, work)
        return password


def _ok(response: httpx2.Response) -> Any:
    if response.is_error:
        call = f"{response.request.method} {response.request.url.path}"
        fail(f"The demo could not be set up: {call}: {response.text[:500]}")
    return response.json()


def _explain(facts: dict[str, Any], order: int, supervisor: Supervisor) -> None:
    endpoint = f"{facts['url']}/api/index.php"
    call = f"curl -s {endpoint} -d username={facts['username']} -d apiaccesskey={facts['key']} -d requestformat=JSON"
    parameters = f"<PARAMETERS><ID>{facts['imei_service_id']}</ID><IMEI>356557847079356</IMEI></PARAMETERS>"
    print(f"""
Trunkline is running. Sign in with a browser, add it to a panel as a DHRU supplier, or paste the calls below.

  Operator  {facts["url"]}/admin as {facts["staff_email"]}, password {facts["password"]}
  Reseller  {facts["url"]}/portal as {facts["username"]}, the same password

  URL       {facts["url"]}
  Username  {facts["username"]}
  API key   {facts["key"]}
  Staff API {facts["url"]}/docs with the token {facts["staff_token"]}

1. The account:
{call} -d action=accountinfo

2. An order (its number is in REFERENCEID):
{call} -d action=placeimeiorder --data-urlencode 'parameters={parameters}'

3. Its status: 0, then 1, then 4 with the result in CODE (another order: its number in place of {order}):
{call} -d action=getimeiorder --data-urlencode 'parameters=<PARAMETERS><ID>{order}</ID></PARAMETERS>'

Process ids: server {supervisor.pid("serve")}, worker {supervisor.pid("worker")}. Ctrl-C stops everything.
""", flush=True)  # fmt: skip


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _free_port(but: int) -> int:
    """Return a port that nobody listens on; nor will the server, which takes ``but``."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port != but:
            return port
