"""Numbers in paths are ids: one that no row can have is an address that does not exist, not an error of ours.

Python refuses to read a number of thousands of digits, and the routes of Starlette would answer that with 500.
Importing this gives ``{name:int}`` a bound, for every route that is made afterwards.
"""

from starlette.convertors import IntegerConvertor, register_url_convertor


class _Id(IntegerConvertor):
    regex = "[0-9]{1,18}"


register_url_convertor("int", _Id())
