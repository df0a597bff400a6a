"""Trunkline, a DHRU-compatible supplier aggregator: where each thing lives.

============  ====================================================================================
cli/          the command ``trunkline``, one file per noun
main.py       ``build_app(settings)``: the faces, the lifespan, the error handlers
api/dhru/     the DHRU Fusion door: DHRU's own words live here and in connectors, nowhere else
api/isave/    the door for clients that speak iSave's Check API
api/files.py  signed links to results that are files; api/metrics.py  what Prometheus reads
api/v1/       the REST API of customers, one file per noun
admin/        the staff JSON API, one file per noun; admin/pages/  the same in a browser, with templates/ and static/
worker/       dispatch, poll and sweep (the order path), jobs (periodic side jobs)
web/          what the JSON doors share: problems, bodies, values on the wire
pages/        the ground of all pages in a browser: how they are declared, the door, the look
access/       logins: passwords, second factors, sessions, invitations, waits against guessing
acts/         the audit log: who did what, before and after, from where
house/        settings that an owner changes while the program runs
migrate.py    brings a database to the newest schema; tables.py  every table in one metadata
audit/        what is promised of all of it, and the proof; the runs that were kept
topups/       how customers pay in: methods, packages, what they say they paid and what of it was credited
sandbox/      orders of sandbox keys: magic devices, and nothing bought
approvals/    acts with money that one member of staff asks for and another approves
profit/       what is earned, by day, service, supplier and customer, built from the books
hours/        how the business goes hour by hour, for the dashboard
orders/       orders, attempts and their events; the one function that changes a status
suppliers/    our accounts upstream, their catalogues, the routes to them
webhooks/     what customers are told over HTTP: endpoints, events, deliveries to checked addresses
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
