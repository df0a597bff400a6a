"""What customers are told of: a closed set, so that receivers can rely on the words."""

from enum import StrEnum


class EventKind(StrEnum):
    """What happened; the word is the ``type`` of the message."""

    ORDER_COMPLETED = "order.completed"
    """An order was delivered."""
    ORDER_REJECTED = "order.rejected"
    """An order was closed unserved, and its price given back."""
    ORDER_REVERSED = "order.reversed"
    """A completed order was taken back, and its price given back."""
    BALANCE_LOW = "balance.low"
    """The balance fell below the customer's own threshold."""
    SERVICE_CHANGED = "service.changed"
    """Services were added or taken away, or cost this customer something else."""
    ENDPOINT_PAUSED = "endpoint.paused"
    """Another endpoint of the customer failed for days and is sent nothing any more."""
    TEST_PING = "test.ping"
    """A person asked whether the endpoint works. Every endpoint gets its own, none subscribes to it."""


SUBSCRIBED = frozenset(EventKind) - {EventKind.TEST_PING}
"""What an endpoint may ask for."""
