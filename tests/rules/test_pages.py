"""No page is made while a connection is held: making one may need another, and ten that wait so wait for each other."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
LENDS = {"connection", "transaction", "orm", "begin", "sessions"}
NEEDS_ONE = {"page", "say", "reload", "identity"}


def holding(tree: ast.AST) -> list[ast.AsyncWith]:
    """The blocks of a file that hold a connection."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncWith)]
    return [
        block
        for block in blocks
        if any(isinstance(one.context_expr, ast.Call) and named(one.context_expr) in LENDS for one in block.items)
    ]


def named(call: ast.Call) -> str:
    """The last name of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_no_page_is_made_while_a_connection_is_held() -> None:
    found, looked_at = [], 0
    for folder in ("app/pages", "app/portal", "app/admin/pages"):
        for path in sorted((ROOT / folder).glob("*.py")):
            for block in holding(ast.parse(path.read_text())):
                looked_at += 1
                found += [
                    f"{path.relative_to(ROOT)}:{node.lineno}"
                    for node in ast.walk(block)
                    if isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and (node.func.value.id, node.func.attr in NEEDS_ONE) == ("visit", True)
                ]
    assert looked_at > 100
    assert found == []
