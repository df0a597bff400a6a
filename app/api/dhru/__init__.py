"""The DHRU Fusion door: the only place, beside connectors, where DHRU's own words live.

=================  =========================================================================================
door.py            what the door is given by the rest of the program
endpoint.py        the route: reads a request, always replies in DHRU's form
paths.py           which paths are the door
body.py            the HTTP body as named values (urlencoded, multipart, JSON, XML)
envelope.py        who calls, what for, with which parameters
parameters.py      the encodings of ``parameters``
inputs.py          parameters as wishes and order numbers
callers.py         whose key it is; rate limits
actions.py         the table of actions and their aliases, account and lookup lists
ordering.py        placing and status
file_orders.py     the list of file services, placing with a file
choices.py         modellist, providerlist, meplist, and what was chosen from them
service_list.py    imeiservicelist and fileservicelist, rendered once and kept
replies.py         replies and the error vocabulary
render.py          bytes, JSON or XML
=================  =========================================================================================
"""

from app.api.dhru.door import Door
from app.api.dhru.endpoint import dhru_routes

__all__ = ["Door", "dhru_routes"]
