"""Trunkline, a DHRU-compatible supplier aggregator: where each thing lives.

============  ====================================================================================
cli/          the command ``trunkline``, one file per noun
main.py       ``build_app(settings)``: the faces, the lifespan, the error handlers
api/dhru/     the DHRU Fusion door: DHRU's own words live here and in connectors, nowhere else
api/files.py  signed links to results that are files; api/metrics.py  what Prometheus reads
admin/        the staff JSON API, one file per noun; admin/pages/  the same in a browser, with templates/ and static/
worker/       dispatch, poll and sweep (the order path), jobs (periodic side jobs)
migrate.py    brings a database to the newest schema; tables.py  every table in one metadata
audit/        what is promised of all of it, and the proof; the runs that were kept
approvals/    acts with money that one member of staff asks for and another approves
orders/       orders, attempts and their events; the one function that changes a status
suppliers/    our accounts upstream, their catalogues, the routes to them
ledger/       accounts and transfers; the one module that moves money
catalog/      what we sell: groups, services, fields, prices
customers/    who buys, and their API keys
staff/        who uses the admin: their roles, tokens, passwords, second factors and sessions
alarms/       what a person should look at, how people are told of it, and the watch over silent workers
connectors/   one file per supplier protocol
simulator/    a supplier that really speaks DHRU, for the demo, the tests and the bench
db.py         engine, pool, naming convention; redis.py  rate limits; embedded/  Postgres from a wheel
leaves        settings, logs, errors, money, imei, clock, sealing: no I/O
============  ====================================================================================

Imports point down this list only; import-linter checks it. The words used here are in ``docs/glossary.md``.
"""
