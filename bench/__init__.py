"""Measures Trunkline beside floors: the least that could do the same work on the same machine in the same minutes.

=============  ==================================================================================
__main__.py    ``python -m bench [--quick] [--only place,status,list,dispatch]``
scale.py       how much is done: the full run and the quick one
stage.py       what is running: a PostgreSQL of its own, the server under test, the floor
children.py    processes of ours, started and always stopped
shop.py        customers with keys and credit, a catalogue, orders to ask after
wire.py        requests as bytes, made before anything is measured
client.py      an HTTP client that costs little: closed loop and open loop
load.py        that client in a process of its own
floor.py       the floor: a FastAPI handler with the same statement, and nothing else
place.py       placing one order, and its latency at half that load
status.py      status of one order and of a hundred
listing.py     the service list
dispatch.py    from placed to completed, through a simulated supplier
audit.py       the audit over a history of orders, which history.py writes
pgbench.py     what the database alone can do with the placing statement
profiles.py    where the processor time of a run went
report.py      medians, ratios, the table
=============  ==================================================================================

The processes of a run share the cores of one machine, with each other and with whatever else runs there, so a single
figure says little. What counts are ratios: both sides are measured in turns, several times, and the median is taken.
"""
