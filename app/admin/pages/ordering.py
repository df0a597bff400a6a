"""Lists that people put in order: by dragging, which sends the new order, or by buttons, which move one row."""

from app.pages.forms import Form


def reordered(form: Form, name: str) -> tuple[list[int], str]:
    """Return the ids under ``name`` in their new order, and the query that puts the keyboard back where it was.

    ``up`` and ``down`` hold the id of the one that moves by one place; a move beyond an end changes nothing.
    """
    ids = form.ids(name)
    for way, step in (("up", -1), ("down", 1)):
        for chosen in form.ids(way):
            if chosen in ids:
                at = ids.index(chosen)
                to = min(max(at + step, 0), len(ids) - 1)
                ids.insert(to, ids.pop(at))
            return ids, f"?moved={chosen}&way={way}"
    return ids, ""
