"""What the business earns: revenue, cost and what is left, by day, service, supplier and customer.

All of it is derived from the ledger's transfers and the attempts, and can be built again at any time.
"""
