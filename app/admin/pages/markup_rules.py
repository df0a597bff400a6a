"""Mark-up rules: how prices are made from costs, what they would make now, and that done at once."""

from typing import Any

from starlette.responses import Response

from app.admin.pages.markup_form import read_markup
from app.admin.pages.noun import Noun
from app.admin.pages.percent import show_percent
from app.admin.pages.visit import Visit
from app.catalog import markup_rules
from app.catalog.groups import list_groups
from app.catalog.markup import Markup, Rule
from app.catalog.markup_rules import NewRule
from app.db import MAX_ID, Connection
from app.errors import NotFound
from app.money import format_amount
from app.staff.service import Right
from app.suppliers import pricing

pages = Noun()

HERE = "/admin/markup-rules"
PAGE = 50
BASES = (("dearest", "the dearest route that is used"), ("first", "the first route"))


@pages.page("/markup-rules")
async def listed(visit: Visit) -> Response:
    """The rules with what each is for."""
    after = visit.asked_id("after") or 0
    async with visit.parts.db.pool.connection() as conn:
        rows = await markup_rules.list_rules(conn, after=after, limit=PAGE + 1)
        names = await _names(conn, rows[:PAGE])
    return await visit.page(
        "markup_rules/list.html",
        rows=[(row, *names[row.id], show_percent(row.markup.basis_points)) for row in rows[:PAGE]],
        first=HERE if after else None,
        more=f"{HERE}?after={rows[PAGE - 1].id}" if len(rows) > PAGE else None,
    )


async def show_new(visit: Visit) -> Response:
    """Ask what the rule is for and how it makes prices."""
    async with visit.parts.db.pool.connection() as conn:
        groups = await list_groups(conn)
        cursor = await conn.execute("SELECT id, name || ', ' || currency AS name FROM price_groups ORDER BY name")
        price_groups = [(row["id"], row["name"]) for row in await cursor.fetchall()]
    return await visit.page(
        "markup_rules/one.html",
        rule=None,
        values=_values(None),
        groups=[("", "all services")] + [(group.id, group.name) for group in groups],
        price_groups=[("", "the list prices"), *price_groups],
        bases=BASES,
        house=visit.parts.currency,
    )


@pages.form("/markup-rules/new", shown_by=show_new, right=Right.OPERATE)
async def add(visit: Visit) -> Response:
    """Set a rule up; prices that are left to the rules are made by it within a minute."""
    form = visit.form
    new = NewRule(
        currency=form.text("currency").upper(),
        markup=read_markup(form),
        price_group_id=next(iter(form.ids("price_group_id") if form.text("price_group_id") else ()), None),
        service_group_id=next(iter(form.ids("service_group_id") if form.text("service_group_id") else ()), None),
        service_id=form.whole("service_id"),
        **_limits(visit),
    )
    async with visit.transaction() as conn:
        await markup_rules.add_rule(conn, new)
    await visit.say("The rule is set up; it makes the prices within a minute.")
    return visit.go(HERE)


async def show_one(visit: Visit) -> Response:
    """One rule: what it is for stays, how it makes prices may change."""
    async with visit.parts.db.pool.connection() as conn:
        rule = await markup_rules.get_rule(conn, _id(visit))
        names = await _names(conn, [rule])
    return await visit.page(
        "markup_rules/one.html", rule=rule, names=names[rule.id], values=_values(rule), bases=BASES, house=rule.currency
    )


@pages.form("/markup-rules/{rule_id:int}", shown_by=show_one, right=Right.OPERATE, seen_with=Right.READ)
async def change(visit: Visit) -> Response:
    """Change how it makes prices."""
    markup = read_markup(visit.form)
    changes: dict[str, Any] = {name: getattr(markup, name) for name in Markup.__dataclass_fields__}
    async with visit.transaction() as conn:
        await markup_rules.change_rule(conn, _id(visit), {**changes, **_limits(visit)})
    await visit.say("The rule is changed; it makes the prices within a minute.")
    return visit.go(HERE)


@pages.action("/markup-rules/{rule_id:int}/remove", back=HERE, right=Right.OPERATE)
async def remove(visit: Visit) -> Response:
    """Take the rule away; the prices it made stay."""
    async with visit.transaction() as conn:
        if not await markup_rules.remove_rule(conn, _id(visit)):
            raise NotFound("There is no such mark-up rule.")
    await visit.say("The rule is removed; the prices it made stay.")
    return visit.go(HERE)


@pages.action("/markup-rules/{rule_id:int}/adopt", back=HERE, right=Right.OPERATE)
async def adopt(visit: Visit) -> Response:
    """Leave the prices in its reach that were set by hand to the rules."""
    async with visit.transaction() as conn:
        adopted = await markup_rules.adopt(conn, _id(visit))
    await visit.say(f"{adopted} price{'' if adopted == 1 else 's'} left to the rules.")
    return visit.go(HERE)


@pages.page("/markup-rules/preview")
async def preview(visit: Visit) -> Response:
    """What the rules make of the prices now; nothing is set."""
    after = visit.asked_id("after") or 0
    async with visit.parts.db.pool.connection() as conn:
        planned = await pricing.plan(conn, after=after, limit=PAGE)
    here = f"{HERE}/preview"
    return await visit.page(
        "markup_rules/preview.html",
        rows=planned.plans,
        first=here if after else None,
        more=f"{here}?after={planned.last}" if planned.more else None,
    )


@pages.action("/markup-rules/make", back=HERE, right=Right.OPERATE)
async def make(visit: Visit) -> Response:
    """Make the prices now; doing it again changes nothing."""
    made = await pricing.make_prices(visit.parts.db)
    await visit.say(f"{made.applied} set, {made.waiting} wait for you, {made.without_cost} without a known cost.")
    return visit.go("/admin/price-changes" if made.waiting else HERE)


def _limits(visit: Visit) -> dict[str, Any]:
    return {
        "up_percent": visit.form.whole("up_percent"),
        "down_percent": visit.form.whole("down_percent"),
        "cost_basis": visit.form.text("cost_basis"),
    }


def _values(rule: Rule | None) -> dict[str, str]:
    if rule is None:
        return {
            "percent": "", "up_percent": "20", "down_percent": "20", "cost_basis": "dearest", "rounding_step": "0.01",
            "fixed": "", "floor": "", "least_margin": "", "rounding_ending": "",
        }  # fmt: skip
    amounts = ("fixed", "floor", "least_margin", "rounding_step", "rounding_ending")
    return {
        **{name: format_amount(getattr(rule.markup, name)) for name in amounts},
        "percent": show_percent(rule.markup.basis_points),
        "up_percent": "" if rule.up_percent is None else str(rule.up_percent),
        "down_percent": "" if rule.down_percent is None else str(rule.down_percent),
        "cost_basis": rule.cost_basis,
    }


async def _names(conn: Connection, rules: list[Rule]) -> dict[int, tuple[str, str]]:
    """Return what each rule is for: which services, and whose prices."""
    cursor = await conn.execute(
        "SELECT r.id, COALESCE(v.name, g.name || ' (group)', 'all services') AS services,"
        " COALESCE(p.name, 'list prices') AS prices FROM markup_rules r LEFT JOIN services v ON v.id = r.service_id"
        " LEFT JOIN service_groups g ON g.id = r.service_group_id LEFT JOIN price_groups p ON p.id = r.price_group_id"
        " WHERE r.id = ANY (%s)",
        ([rule.id for rule in rules],),
    )
    return {row["id"]: (row["services"], row["prices"]) for row in await cursor.fetchall()}


def _id(visit: Visit) -> int:
    return min(visit.id_in_path("rule_id"), MAX_ID)
