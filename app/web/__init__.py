"""What the JSON doors share: errors as RFC 9457 problems, bodies read exactly, and how values look on the wire."""
