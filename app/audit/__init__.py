"""The audit: what is true of every database in which no credit was lost, doubled or invented, and the proof of it.

============  ====================================================================================
promises.py   what a promise, a finding and a result are
books.py      the promises about accounts and transfers: one scan of the transfers
orders.py     the promises about each order, its transfers, attempts and events: one pass in slices
approvals.py  that what two members of staff agreed on is what was done
topups.py     that a top-up request was credited once, with what staff said
guards.py     that the constraints, indexes and triggers which keep the promises are in place
service.py    ``audit``: all of them on one snapshot, beside the running service
runs.py       runs that are kept, and the alarm; tables.py  their rows
============  ====================================================================================
"""
