"""The states of orders and attempts and every move between them; the database enforces the same tables."""

from enum import StrEnum


class OrderState(StrEnum):
    """What the customer sees."""

    ACCEPTED = "accepted"
    """Charged, in escrow, not yet with a supplier."""
    IN_PROGRESS = "in_progress"
    """A supplier has it, or may have it."""
    COMPLETED = "completed"
    """Delivered and settled."""
    REJECTED = "rejected"
    """Closed unserved and refunded."""


class AttemptState(StrEnum):
    """What a supplier sees."""

    PREPARED = "prepared"
    """Waits for its time to be sent."""
    SENDING = "sending"
    """Written down before the request leaves; only its worker may say what became of it."""
    PLACED = "placed"
    """The supplier has it under their id."""
    UNCLEAR = "unclear"
    """It may be there. Nobody sends it again; evidence or a person decides."""
    DONE = "done"
    """They delivered."""
    FAILED = "failed"
    """They took it and could not."""
    NOT_SENT = "not_sent"
    """It provably never left us."""
    REFUSED = "refused"
    """They would not take it."""
    ABANDONED = "abandoned"
    """It may have been bought, and the order goes on without it, because staff said so, or their route does."""


ORDER_MOVES: dict[OrderState, frozenset[OrderState]] = {
    OrderState.ACCEPTED: frozenset({OrderState.IN_PROGRESS, OrderState.COMPLETED, OrderState.REJECTED}),
    OrderState.IN_PROGRESS: frozenset({OrderState.COMPLETED, OrderState.REJECTED}),
    OrderState.COMPLETED: frozenset({OrderState.REJECTED}),  # staff only, with a reversal
    OrderState.REJECTED: frozenset(),
}

ATTEMPT_MOVES: dict[AttemptState, frozenset[AttemptState]] = {
    AttemptState.PREPARED: frozenset({AttemptState.SENDING, AttemptState.NOT_SENT}),
    AttemptState.SENDING: frozenset(
        {
            AttemptState.PLACED,
            AttemptState.DONE,
            AttemptState.FAILED,
            AttemptState.NOT_SENT,
            AttemptState.REFUSED,
            AttemptState.UNCLEAR,
        }
    ),
    AttemptState.PLACED: frozenset({AttemptState.DONE, AttemptState.FAILED, AttemptState.ABANDONED}),
    AttemptState.UNCLEAR: frozenset({AttemptState.PLACED, AttemptState.REFUSED, AttemptState.ABANDONED}),
    AttemptState.DONE: frozenset(),
    AttemptState.FAILED: frozenset(),
    AttemptState.NOT_SENT: frozenset(),
    AttemptState.REFUSED: frozenset(),
    # The truth, once known, puts the supplier's books right and changes no order.
    AttemptState.ABANDONED: frozenset({AttemptState.DONE, AttemptState.REFUSED}),
}
