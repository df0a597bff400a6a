"""Which objects of the database are ours to compare."""


def is_ours(_object: object, name: str | None, _type: str, _reflected: bool, _compare: object) -> bool:
    """Leave the side-job engine's own tables to it."""
    return not (name or "").startswith("procrastinate_")
