"""How the business goes hour by hour: orders that came and ended, money that came in and was earned.

All of it is derived from orders, their events and the ledger's transfers, and can be built again at any time.
"""
