"""What identifies a device: an IMEI with a right check digit, or a serial number."""

import re

from stdnum import imei as stdnum_imei
from stdnum.exceptions import ValidationError

_SEPARATORS = re.compile(r"[\s./-]+")
_SERIAL = re.compile(r"[A-Z0-9]{4,40}")


def clean_imei(text: str) -> str:
    """Return the 15 digits of a valid IMEI; ValueError if the length or the Luhn digit is wrong.

    Blanks, dots, slashes and dashes between the digits are dropped, as people paste them.
    """
    compact = _SEPARATORS.sub("", text)
    if len(compact) != 15 or not (compact.isascii() and compact.isdigit()):
        raise ValueError("an IMEI has 15 digits")
    try:
        return str(stdnum_imei.validate(compact))
    except ValidationError as error:
        raise ValueError("the IMEI's check digit is wrong") from error


def clean_serial(text: str) -> str:
    """Return a serial number in capitals without separators; ValueError if it cannot be one."""
    compact = _SEPARATORS.sub("", text).upper()
    if not _SERIAL.fullmatch(compact):
        raise ValueError("a serial number has 4 to 40 letters and digits")
    return compact
