"""The outside, faked: suppliers and sockets that misbehave on demand."""
