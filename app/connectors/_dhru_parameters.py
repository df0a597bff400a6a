"""How a request to a DHRU server is written: where it goes, and its parameters in XML or JSON."""

import base64
import json
import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import escape

from app.connectors._dhru_catalog import FILE_PREFIX, LEGACY_FIELDS
from app.connectors.base import PlaceRequest, ServiceType
from app.connectors.errors import RefusalReason, Refused

_LEGACY_PARAMETERS = {name: name for name in LEGACY_FIELDS.values()} | {"Mobile": "MODELID", "Provider": "PROVIDERID"}
"""Under which parameter a legacy field is sent back."""

_ILLEGAL_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def endpoint(base_url: str) -> str:
    """Return the URL to post to: a full endpoint as it is, else the site's ``/api/index.php``."""
    parts = urlsplit(base_url)
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    if not path.endswith(".php") and not re.search(r"/api/.", path):
        path = f"{path.removesuffix('/api')}/api/index.php"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def order_parameters(request: PlaceRequest, *, xml: bool) -> dict[str, str]:
    """The parameters of one order: as tags of XML, else for JSON."""
    parameters = {"ID": request.remote_id}
    if request.type is ServiceType.FILE:
        if request.file is None:
            raise Refused(RefusalReason.BAD_INPUT, "a file service needs a file")
        parameters["ID"] = request.remote_id.removeprefix(FILE_PREFIX)
        parameters["FILENAME"] = request.file.name
        parameters["FILEDATA"] = base64.b64encode(request.file.content).decode()
    elif request.device:
        parameters["IMEI"] = request.device
    parameters["QNT"] = str(request.quantity)
    for name, value in request.fields.items():
        if name in _LEGACY_PARAMETERS:
            parameters[_LEGACY_PARAMETERS[name]] = value
    if request.fields:
        # A legacy name may also be a custom field's, so it goes both ways; servers ignore what they did not ask for.
        encoded = base64_json(request.fields)
        parameters["CUSTOMFIELD"] = encoded
        if not xml:
            # The published 6.1 sample and the panel module spell it like this in JSON.
            parameters["customfield"] = encoded
    return parameters


def xml_parameters(parameters: Mapping[str, str]) -> str:
    """``<PARAMETERS><ID>1</ID>…</PARAMETERS>``: upper-case tags, no attributes, one level."""
    inner = "".join(
        f"<{name.upper()}>{escape(_ILLEGAL_IN_XML.sub('', value))}</{name.upper()}>"
        for name, value in parameters.items()
    )
    return f"<PARAMETERS>{inner}</PARAMETERS>"


def base64_json(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()
