"""The connectors of one worker: opened when first needed, rebuilt when staff change the configuration."""

from typing import Any

from app.connectors.base import Connector
from app.sealing import Sealer
from app.suppliers.service import SupplierAccount, connect


class Connectors:
    """Keeps one connector, with its connections, per supplier account."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._open: dict[int, tuple[int, Connector[Any]]] = {}
        self._replaced: list[Connector[Any]] = []

    async def get(self, account: SupplierAccount) -> Connector[Any]:
        """Return the account's connector; a changed configuration takes effect with the next call."""
        known = self._open.get(account.id)
        if known is not None and known[0] == account.config_version:
            return known[1]
        connector = connect(account, self._sealer)
        self._open[account.id] = (account.config_version, connector)
        if known is not None:
            # It may have calls in flight, which are worth more than a few idle connections.
            self._replaced.append(known[1])
        return connector

    async def aclose(self) -> None:
        """Close every connection to every supplier."""
        for connector in (*self._replaced, *(connector for _, connector in self._open.values())):
            await connector.http.aclose()
        self._open.clear()
        self._replaced.clear()
