"""What the site has beside its pages: the REST API's reference, its document, and a collection for Postman."""

import json
from typing import Any

from mkdocs.structure.files import File, Files

from app.api.v1.app import PREFIX, v1_document
from app.api.v1.exports import markdown, postman

_HOUSE = f"https://your-house.example{PREFIX}"


def on_files(files: Files, *, config: Any) -> Files:
    """Add the files that are made from the program itself."""
    document = v1_document()
    made = {
        "reference.md": markdown(document, PREFIX),
        "openapi.json": json.dumps(document, indent=2),
        "trunkline.postman_collection.json": json.dumps(postman(document, _HOUSE), indent=2),
    }
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files
