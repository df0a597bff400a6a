"""The load test: many clients at once over both doors, and the proof afterwards that nothing was lost.

===========  ================================================================================
__main__.py  ``python -m tests.load --clients 200 --seconds 60`` (``make load``)
run.py       the load, the ending, the proof
client.py    one client: DHRU and REST by turns with one key, and a book of what it was told
calls.py     how many calls of which sort there were, and how long they took
===========  ================================================================================

What runs is the world of ``tests.campaign`` that nobody kills: a PostgreSQL of its own with fsync on, two server
processes, two workers, and suppliers in a process of their own. Its operator, its clients' book and its proof serve
here too.
"""
