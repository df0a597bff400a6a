"""``/customers/{id}/keys``: what a customer's programs call us with."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Transaction
from app.admin.schemas import Body, Deleted, Listing, PathId
from app.customers import keys, learning, records
from app.customers.keys import KeyRow, NewKey
from app.customers.scopes import ALL_SCOPES, Scope

router = APIRouter(prefix="/customers/{customer_id}/keys", tags=["keys"], route_class=ExactRoute)


class KeyChange(Body):
    """What to change; what is not named stays."""

    label: str = Field("", max_length=200)
    dialect: Literal["6.1", "8.2"] = "6.1"
    scopes: list[Scope] = Field(list(ALL_SCOPES), description="What the key may do.")
    allowed_ips: list[str] = Field(
        [], max_length=keys.MAX_NETWORKS, examples=[["203.0.113.7", "198.51.100.0/24"]], description="[]: any address."
    )
    requests_per_minute: int | None = Field(
        None, ge=0, le=keys.MAX_PER_MINUTE, description="null: the server's default; 0: no limit."
    )
    expires_at: datetime | None = Field(None, description="null: never.")


class KeyIn(KeyChange):
    """An API key to make."""

    sandbox: bool = Field(False, description="Nothing real is ever bought with it.")


class RotateIn(Body):
    """How the change from one key to the next is to be."""

    overlap_hours: int = Field(
        keys.OVERLAP_HOURS, ge=0, le=keys.MAX_OVERLAP_HOURS, description="How long the old key goes on."
    )


class LearnIn(Body):
    """How long a key is to learn."""

    hours: int = Field(ge=0, le=learning.MAX_LEARNING_HOURS, description="0 ends it now.")


class AddressesIn(Body):
    """Which of the addresses seen may use the key from now on."""

    addresses: list[str] = Field(min_length=1, max_length=keys.MAX_NETWORKS, examples=[["203.0.113.7"]])


class NewKeyOut(BaseModel):
    """A key just made. ``key`` is shown this once and kept nowhere."""

    id: int
    username: str
    key: str


class KeyOut(BaseModel):
    """A key as it may be shown; ``hint`` is its last four characters, ``last_used_at`` up to a minute old."""

    id: int
    hint: str
    label: str
    dialect: str
    scopes: list[str]
    sandbox: bool
    allowed_ips: list[str]
    learning_until: datetime | None
    requests_per_minute: int | None
    replaces_id: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class SeenOut(BaseModel):
    """An address that a key was used from while it learned."""

    address: str
    first_seen_at: datetime
    last_seen_at: datetime
    uses: int
    allowed: bool


@router.post("", status_code=201, summary="Make an API key")
async def create_key(customer_id: PathId, body: KeyIn, _: Operator, parts: Parts, conn: Transaction) -> NewKeyOut:
    """Make a key; the reply is the only copy of it."""
    return _new(await keys.create_key(conn, parts.sealer, customer_id, **body.model_dump()))


@router.get("", summary="A customer's keys")
async def list_keys(customer_id: PathId, _: Reader, conn: Transaction) -> Listing[KeyOut]:
    """The keys without their text, revoked ones too."""
    await records.get_customer(conn, customer_id)
    return Listing(items=[_out(row) for row in await keys.list_keys(conn, customer_id)])


@router.patch("/{key_id}", summary="Change an API key")
async def change_key(customer_id: PathId, key_id: PathId, body: KeyChange, _: Operator, conn: Transaction) -> KeyOut:
    """Change what the body names, at once."""
    await keys.get_key(conn, key_id, customer_id)
    await keys.change_key(conn, key_id, body.model_dump(exclude_unset=True))
    return _out(await keys.get_key(conn, key_id, customer_id))


@router.post("/{key_id}/rotate", status_code=201, summary="Replace an API key")
async def rotate_key(
    customer_id: PathId, key_id: PathId, body: RotateIn, _: Operator, parts: Parts, conn: Transaction
) -> NewKeyOut:
    """Make a key with the same settings; the old one goes on for the overlap, and then ends."""
    await keys.get_key(conn, key_id, customer_id)
    return _new(await keys.rotate_key(conn, parts.sealer, key_id, overlap_hours=body.overlap_hours))


@router.delete("/{key_id}", summary="Revoke an API key")
async def revoke_key(customer_id: PathId, key_id: PathId, _: Operator, conn: Transaction) -> Deleted:
    """End a key at once. Revoking twice is harmless."""
    await keys.get_key(conn, key_id, customer_id)
    await keys.revoke_key(conn, key_id)
    return Deleted()


@router.post("/{key_id}/learn", summary="Learn where an API key is used from")
async def learn(customer_id: PathId, key_id: PathId, body: LearnIn, _: Operator, conn: Transaction) -> KeyOut:
    """Let the key be used from anywhere for a while and note the addresses; its list counts again afterwards."""
    await keys.get_key(conn, key_id, customer_id)
    await learning.learn(conn, key_id, hours=body.hours)
    return _out(await keys.get_key(conn, key_id, customer_id))


@router.get("/{key_id}/addresses", summary="Where an API key was used from")
async def seen_addresses(customer_id: PathId, key_id: PathId, _: Reader, conn: Transaction) -> Listing[SeenOut]:
    """The addresses noted while the key learned, the most used first."""
    await keys.get_key(conn, key_id, customer_id)
    rows = await learning.seen_addresses(conn, key_id)
    return Listing(items=[SeenOut(**{name: getattr(row, name) for name in SeenOut.model_fields}) for row in rows])


@router.post("/{key_id}/addresses", summary="Allow addresses that were seen")
async def confirm_addresses(
    customer_id: PathId, key_id: PathId, body: AddressesIn, _: Operator, conn: Transaction
) -> KeyOut:
    """Put addresses that were seen on the key's list and end its learning."""
    await keys.get_key(conn, key_id, customer_id)
    await learning.confirm_addresses(conn, key_id, body.addresses)
    return _out(await keys.get_key(conn, key_id, customer_id))


def _new(made: NewKey) -> NewKeyOut:
    return NewKeyOut(id=made.id, username=made.username, key=made.key)


def _out(row: KeyRow) -> KeyOut:
    return KeyOut(**{name: getattr(row, name) for name in KeyOut.model_fields})
