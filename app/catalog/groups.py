"""Service groups, the headings of the service list: named, put in order, and taken away when nothing is in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.errors import ForeignKeyViolation, UniqueViolation

from app.db import Connection
from app.errors import Conflict, Invalid, NotFound


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group with how many services are in it."""

    id: int
    name: str
    position: int
    services: int


async def list_groups(conn: Connection) -> list[GroupRow]:
    """Return all groups in the order of the service list."""
    cursor = await conn.execute(
        "SELECT g.id, g.name, g.position, count(v.id) AS services FROM service_groups g"
        " LEFT JOIN services v ON v.group_id = g.id GROUP BY g.id ORDER BY g.position, g.name, g.id"
    )
    return [GroupRow(**row) for row in await cursor.fetchall()]


async def add_group(conn: Connection, name: str) -> int:
    """Add a group behind all others and return its id; Invalid, or Conflict for a name that is taken."""
    try:
        async with conn.transaction():
            cursor = await conn.execute(
                "INSERT INTO service_groups (name, position)"
                " SELECT %s, COALESCE(max(position), 0) + 10 FROM service_groups RETURNING id",
                (_name(name),),
            )
            row = await cursor.fetchone()
    except UniqueViolation as error:
        raise Conflict("A group of this name exists.", field="name") from error
    assert row is not None  # noqa: S101  an aggregate has a row
    return int(row["id"])


async def rename_group(conn: Connection, group_id: int, name: str) -> None:
    """Give a group another name; NotFound, Invalid, or Conflict for a name that is taken."""
    try:
        async with conn.transaction():
            cursor = await conn.execute("UPDATE service_groups SET name = %s WHERE id = %s", (_name(name), group_id))
    except UniqueViolation as error:
        raise Conflict("A group of this name exists.", field="name") from error
    if cursor.rowcount == 0:
        raise NotFound("There is no such group.")


async def order_groups(conn: Connection, group_ids: Sequence[int]) -> None:
    """Put the groups in this order; those that are not named come behind, as they were."""
    await conn.execute(
        "UPDATE service_groups g SET position = o.position * 10 FROM ("
        " SELECT h.id, row_number() OVER (ORDER BY w.place NULLS LAST, h.position, h.name, h.id) AS position"
        " FROM service_groups h LEFT JOIN unnest(%s::bigint[]) WITH ORDINALITY AS w(id, place) ON w.id = h.id"
        ") o WHERE o.id = g.id AND g.position <> o.position * 10",
        (list(group_ids),),
    )


async def remove_group(conn: Connection, group_id: int) -> None:
    """Take a group away; NotFound, or Conflict while services are in it. Its mark-up rules go with it."""
    try:
        async with conn.transaction():
            cursor = await conn.execute("DELETE FROM service_groups WHERE id = %s", (group_id,))
    except ForeignKeyViolation as error:
        raise Conflict("There are services in this group; move them to another first.") from error
    if cursor.rowcount == 0:
        raise NotFound("There is no such group.")


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 300:
        raise Invalid("A name has 1 to 300 characters.", field="name")
    return name
