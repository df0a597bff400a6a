"""The one class that talks HTTP to suppliers."""


class SupplierHttp:
    """Sends requests to one supplier and turns transport failures into the connector's words."""
