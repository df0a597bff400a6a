"""The door for clients that speak iSave's Check API: one address, ``POST /api/v1/check``, beside the REST API.

===========  ================================================================================
door.py      what the door is given, and its route
commands.py  balance, services, and an order with its result in the reply
replies.py   replies and errors in iSave's form, with its HTTP codes
results.py   results as the object of names and values that such clients read
===========  ================================================================================
"""

from app.api.isave.commands import IsaveDoor
from app.api.isave.door import isave_routes

__all__ = ["IsaveDoor", "isave_routes"]
