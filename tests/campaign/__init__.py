"""The crash campaign: a Trunkline of real processes, killed again and again under load, and the proof afterwards.

=============  ==================================================================================
__main__.py    ``python -m tests.campaign --rounds 200 --seed 1`` (``make crash``)
campaign.py    the rounds, the ending, the two proofs
plan.py        how much is done, and who is killed when: the seed decides
world.py       what is killed: a PostgreSQL of its own, ``trunkline serve``, ``trunkline worker``
suppliers.py   the fakes in a process that is never killed, and what they really sold
faults.py      what goes wrong at them
shop.py        the operator, who uses the staff API only
resellers.py   the clients: they place, send again, ask, and keep a book of what they were told
command.py     the command line around it, shared with ``tests.load``
books.py       Trunkline's own book, read from its database
proof.py       holds the three books against each other
closing.py     waits until nothing moves and reads the books; shared with ``tests.load``
report.py      the table
=============  ==================================================================================

One database lives through all rounds, so that what a kill leaves behind meets the next one.
"""
