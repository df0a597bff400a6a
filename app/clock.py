"""Time as the program sees it: aware UTC datetimes from one place."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment as an aware UTC datetime."""
    return datetime.now(UTC)
