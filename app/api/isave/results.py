"""Results as the object of names and values that iSave's clients read.

Their document's sample is ``{"productDescription": "iPhone 13 GREEN 128GB", "imei": "356557847079356", "serial":
"ABCDEF123456", "carrierName": "Unlocked", "fmiStatus": "OFF"}``. Suppliers give results as text, most often a line
"Product Description: iPhone 13 GREEN 128GB" for each value; what is in no such line is kept whole under ``result``.
"""

import re

_LINE = re.compile(r"\s*([^:]{1,60}?)\s*:(?!//)\s*(.*?)\s*")
_WORD = re.compile(r"[A-Za-z0-9]+")
_LETTER = re.compile(r"[^\W\d_]")


def data_of(text: str, device: str) -> dict[str, str]:
    """Return a result, which is plain text, as an object; the device is in it whatever the result says."""
    data: dict[str, str] = {}
    rest = []
    for line in filter(None, map(str.strip, text.splitlines())):
        found = _LINE.fullmatch(line)
        if found is None or not _LETTER.search(found[1]):
            rest.append(line)
            continue
        name = _name(found[1])
        data[name] = f"{data[name]}; {found[2]}" if name in data else found[2]
    if device:
        data.setdefault("imei" if device.isascii() and device.isdigit() else "serial", device)
    if rest:
        whole = "\n".join(rest)
        data["result"] = f"{data['result']}\n{whole}" if "result" in data else whole
    return data


def _name(label: str) -> str:
    """Return a label as a name: "Product Description" is productDescription, "FMI Status" fmiStatus, "IMEI" imei."""
    words = _WORD.findall(label) if label.isascii() else []
    if not words:
        return label
    # One word that is written as a name is one.
    first: str = words[0].lower() if len(words) > 1 or words[0].isupper() else words[0][0].lower() + words[0][1:]
    return first + "".join(word[0].upper() + word[1:].lower() for word in words[1:])
