"""What a fake supplier really sold: the counters that no connector can talk away."""

from collections import Counter
from collections.abc import Hashable


class Purchases:
    """Counts every order that was accepted, by what was bought for which inputs."""

    def __init__(self) -> None:
        self.by_inputs: Counter[tuple[str, Hashable]] = Counter()

    def add(self, service: str, inputs: Hashable) -> None:
        """Count one order; ``inputs`` are the device, or whatever else tells two orders apart."""
        self.by_inputs[service, inputs] += 1

    def stats(self) -> dict[str, int]:
        """How many orders there are, for how many inputs, and how many of them repeat service and inputs."""
        return {
            "accepted": self.by_inputs.total(),
            "distinct_devices": len({inputs for _, inputs in self.by_inputs}),
            "bought_twice": self.by_inputs.total() - len(self.by_inputs),
        }
