"""The part of forms that says how a price is made from a cost."""

from app.admin.pages.percent import read_percent
from app.catalog.markup import Markup
from app.catalog.markup_rules import check_markup
from app.pages.forms import Form


def read_markup(form: Form) -> Markup:
    """Return the mark-up that was entered; Invalid with the field at fault. What is empty adds nothing."""
    amounts = {
        name: form.amount(name) if form.text(name) else default
        for name, default in (
            ("fixed", 0), ("floor", 0), ("least_margin", 0), ("rounding_step", 1), ("rounding_ending", 0)
        )
    }  # fmt: skip
    markup = Markup(basis_points=read_percent(form, "percent"), **amounts)
    check_markup(markup)
    return markup
