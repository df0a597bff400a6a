"""A statement as a CSV file."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC

from app.ledger.statement import Line, Span
from app.web.csv_files import csv_text, figure

_HEADINGS = ("id", "at", "kind", "change", "balance", "currency", "order_id", "reference", "reason")


def csv_lines(span: Span, lines: AsyncIterator[Line]) -> AsyncIterator[str]:
    """Return the file in pieces: the lines oldest first, between the balances before and after them."""
    return csv_text(_HEADINGS, _rows(span, lines))


async def _rows(span: Span, lines: AsyncIterator[Line]) -> AsyncIterator[Sequence[object]]:
    yield _balance("opening", span.opening, span)
    async for line in lines:
        yield (
            line.id,
            line.created_at.astimezone(UTC).isoformat(),
            line.kind,
            figure(line.change),
            figure(line.balance),
            line.currency,
            line.order_id,
            line.reference,
            line.reason,
        )
    yield _balance("closing", span.closing, span)


def _balance(name: str, amount: int, span: Span) -> Sequence[object]:
    return (None, None, name, None, figure(amount), span.currency, None, None, None)
