"""Every table of every noun in one metadata, for the migrations and for tools."""

import app.access.tables
import app.acts.tables
import app.alarms.tables
import app.approvals.tables
import app.audit.tables
import app.catalog.markup_tables
import app.catalog.sheet_tables
import app.catalog.tables
import app.customers.tables
import app.hours.tables
import app.house.tables
import app.ledger.tables
import app.orders.tables
import app.profit.tables
import app.sandbox.tables
import app.staff.tables
import app.suppliers.books_tables
import app.suppliers.device_tables
import app.suppliers.tables
import app.topups.tables
import app.webhooks.tables  # noqa: F401  importing the modules fills the metadata
from app.db import Base

metadata = Base.metadata
