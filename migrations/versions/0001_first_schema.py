"""The whole first schema: customers, catalogue, suppliers, orders, ledger, and the functions that move them.

Revision ID: 0001
Revises: -
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.create_table(
        "catalog_version",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_catalog_version_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_version")),
    )
    op.create_table(
        "files",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
    )
    op.create_table(
        "price_groups",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_price_groups_currency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_groups")),
        sa.UniqueConstraint("name", name=op.f("uq_price_groups_name")),
    )
    op.create_table(
        "service_groups",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_groups")),
        sa.UniqueConstraint("name", name=op.f("uq_service_groups_name")),
    )
    op.create_table(
        "staff",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("role IN ('owner', 'operator', 'finance', 'read_only')", name=op.f("ck_staff_role")),
        sa.CheckConstraint("state IN ('active', 'suspended')", name=op.f("ck_staff_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("email", name=op.f("uq_staff_email")),
    )
    op.create_table(
        "suppliers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("config_version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("concurrency", sa.Integer(), server_default="4", nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=True),
        sa.Column("balance_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_suppliers_currency")),
        sa.CheckConstraint("state IN ('active', 'paused')", name=op.f("ck_suppliers_state")),
        sa.CheckConstraint("concurrency BETWEEN 1 AND 64", name=op.f("ck_suppliers_concurrency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppliers")),
        sa.UniqueConstraint("name", name=op.f("uq_suppliers_name")),
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("price_group_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_customers_currency")),
        sa.CheckConstraint("state IN ('active', 'suspended')", name=op.f("ck_customers_state")),
        sa.CheckConstraint("username ~ '^[a-z0-9][a-z0-9._-]{2,39}$'", name=op.f("ck_customers_username")),
        sa.ForeignKeyConstraint(
            ["price_group_id"], ["price_groups.id"], name=op.f("fk_customers_price_group_id_price_groups")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("email", name=op.f("uq_customers_email")),
        sa.UniqueConstraint("username", name=op.f("uq_customers_username")),
    )
    op.create_index(op.f("ix_customers_price_group_id"), "customers", ["price_group_id"], unique=False)
    op.create_table(
        "exchange_rates",
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("rate", sa.Numeric(precision=24, scale=12), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_exchange_rates_currency")),
        sa.CheckConstraint("rate > 0", name=op.f("ck_exchange_rates_rate")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_exchange_rates_staff_id_staff")),
        sa.PrimaryKeyConstraint("currency", "valid_from", name=op.f("pk_exchange_rates")),
    )
    op.create_table(
        "exchanges",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("supplier_id", sa.BigInteger(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["supplier_id"], ["suppliers.id"], name=op.f("fk_exchanges_supplier_id_suppliers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchanges")),
    )
    op.create_index(
        "ix_exchanges_supplier_id", "exchanges", ["supplier_id", sa.literal_column("id DESC")], unique=False
    )
    op.create_table(
        "remote_services",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("supplier_id", sa.BigInteger(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), server_default="", nullable=False),
        sa.Column("time", sa.Text(), nullable=False),
        sa.Column("info", sa.Text(), nullable=False),
        sa.Column("takes_serial", sa.Boolean(), nullable=False),
        sa.Column("takes_quantity", sa.Boolean(), nullable=False),
        sa.Column("min_quantity", sa.Integer(), nullable=True),
        sa.Column("max_quantity", sa.Integer(), nullable=True),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("opens", sa.Text(), server_default="", nullable=False),
        sa.Column("closes", sa.Text(), server_default="", nullable=False),
        sa.Column("zone", sa.Text(), server_default="", nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("cost >= 0", name=op.f("ck_remote_services_cost")),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_remote_services_supplier_id_suppliers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remote_services")),
        sa.UniqueConstraint("supplier_id", "remote_id", name=op.f("uq_remote_services_supplier_id_remote_id")),
    )
    op.create_table(
        "services",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("takes_quantity", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("min_quantity", sa.Integer(), server_default="1", nullable=False),
        sa.Column("max_quantity", sa.Integer(), server_default="1", nullable=False),
        sa.Column("time", sa.Text(), server_default="", nullable=False),
        sa.Column("info", sa.Text(), server_default="", nullable=False),
        sa.Column("allows_duplicates", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_services_currency")),
        sa.CheckConstraint("device IN ('imei', 'serial', 'imei_or_serial', 'none')", name=op.f("ck_services_device")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_services_name")),
        sa.CheckConstraint("state IN ('active', 'hidden')", name=op.f("ck_services_state")),
        sa.CheckConstraint("type IN ('imei', 'server', 'remote', 'file')", name=op.f("ck_services_type")),
        sa.CheckConstraint("min_quantity <= max_quantity", name=op.f("ck_services_quantity_order")),
        sa.CheckConstraint("min_quantity >= 1 AND max_quantity <= 100000", name=op.f("ck_services_quantity_range")),
        sa.CheckConstraint("price BETWEEN 0 AND 1000000000000", name=op.f("ck_services_price")),
        sa.ForeignKeyConstraint(["group_id"], ["service_groups.id"], name=op.f("fk_services_group_id_service_groups")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_services")),
    )
    op.create_index(op.f("ix_services_group_id"), "services", ["group_id"], unique=False)
    op.create_table(
        "staff_tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_tokens_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_staff_tokens_token_hash")),
    )
    op.create_index(op.f("ix_staff_tokens_staff_id"), "staff_tokens", ["staff_id"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("balance", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("credit_limit", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(role = 'customer') = (customer_id IS NOT NULL)", name=op.f("ck_accounts_owner")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_accounts_currency")),
        sa.CheckConstraint(
            "role IN ('customer', 'funding', 'escrow', 'sales', 'adjustments')", name=op.f("ck_accounts_role")
        ),
        sa.CheckConstraint("credit_limit >= 0", name=op.f("ck_accounts_credit_limit")),
        sa.CheckConstraint(
            "customer_id IS NOT NULL OR balance = 0", name=op.f("ck_accounts_system_balance_is_derived")
        ),
        sa.CheckConstraint("customer_id IS NULL OR balance + credit_limit >= 0", name=op.f("ck_accounts_covered")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_accounts_customer_id_customers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("customer_id", name=op.f("uq_accounts_customer_id")),
    )
    op.create_index(
        "uq_accounts_system",
        "accounts",
        ["role", "currency"],
        unique=True,
        postgresql_where=sa.text("customer_id IS NULL"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column("dialect", sa.Text(), server_default="6.1", nullable=False),
        sa.Column("allowed_ips", postgresql.ARRAY(postgresql.CIDR()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("dialect IN ('6.1', '8.2')", name=op.f("ck_api_keys_dialect")),
        sa.CheckConstraint("requests_per_minute >= 0", name=op.f("ck_api_keys_requests_per_minute")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_api_keys_customer_id_customers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    op.create_index("ix_api_keys_customer_id", "api_keys", ["customer_id"], unique=False)
    op.create_table(
        "customer_prices",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("price BETWEEN 0 AND 1000000000000", name=op.f("ck_customer_prices_price")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_customer_prices_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_customer_prices_service_id_services"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("customer_id", "service_id", name=op.f("pk_customer_prices")),
    )
    op.create_index(op.f("ix_customer_prices_service_id"), "customer_prices", ["service_id"], unique=False)
    op.create_table(
        "group_prices",
        sa.Column("price_group_id", sa.BigInteger(), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("price BETWEEN 0 AND 1000000000000", name=op.f("ck_group_prices_price")),
        sa.ForeignKeyConstraint(
            ["price_group_id"],
            ["price_groups.id"],
            name=op.f("fk_group_prices_price_group_id_price_groups"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_group_prices_service_id_services"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("price_group_id", "service_id", name=op.f("pk_group_prices")),
    )
    op.create_index(op.f("ix_group_prices_service_id"), "group_prices", ["service_id"], unique=False)
    op.create_table(
        "routes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("remote_service_id", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="100", nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("field_map", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("fixed", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('active', 'paused')", name=op.f("ck_routes_state")),
        sa.ForeignKeyConstraint(
            ["remote_service_id"], ["remote_services.id"], name=op.f("fk_routes_remote_service_id_remote_services")
        ),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_routes_service_id_services")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routes")),
        sa.UniqueConstraint("service_id", "remote_service_id", name=op.f("uq_routes_service_id_remote_service_id")),
    )
    op.create_index("ix_routes_remote_service_id", "routes", ["remote_service_id"], unique=False)
    op.create_table(
        "service_fields",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), server_default="text", nullable=False),
        sa.Column("required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("options", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("pattern", sa.Text(), server_default="", nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_service_fields_name")),
        sa.CheckConstraint(
            "type IN ('text', 'textarea', 'dropdown', 'radio', 'checkbox', 'date', 'time')",
            name=op.f("ck_service_fields_type"),
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_service_fields_service_id_services"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_fields")),
        sa.UniqueConstraint("service_id", "name", name=op.f("uq_service_fields_service_id_name")),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.BigInteger(), nullable=True),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="accepted", nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reference", sa.Text(), server_default="", nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("guarded", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("result_file_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("delivered", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state IN ('completed', 'rejected')) = (closed_at IS NOT NULL)", name=op.f("ck_orders_closed_at")
        ),
        sa.CheckConstraint("state <> 'completed' OR result <> ''", name=op.f("ck_orders_completed_has_result")),
        sa.CheckConstraint("state <> 'rejected' OR reason <> ''", name=op.f("ck_orders_rejected_has_reason")),
        sa.CheckConstraint(
            "state IN ('accepted', 'in_progress', 'completed', 'rejected')", name=op.f("ck_orders_state")
        ),
        sa.CheckConstraint("delivered BETWEEN 1 AND quantity - 1", name=op.f("ck_orders_delivered_in_part")),
        sa.CheckConstraint("price >= 0", name=op.f("ck_orders_price")),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_orders_quantity")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_orders_customer_id_customers")),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_orders_file_id_files")),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_orders_key_id_api_keys")),
        sa.ForeignKeyConstraint(["result_file_id"], ["files.id"], name=op.f("fk_orders_result_file_id_files")),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_orders_service_id_services")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        postgresql_with={"fillfactor": "85", "autovacuum_vacuum_scale_factor": "0.02"},
    )
    op.create_index("ix_orders_customer_id", "orders", ["customer_id", "id"], unique=False)
    op.create_index(
        "ix_orders_device",
        "orders",
        ["device", "customer_id", "service_id", "id"],
        unique=False,
        postgresql_where=sa.text("device <> ''"),
    )
    op.create_index(
        "ix_orders_open",
        "orders",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('accepted', 'in_progress')"),
    )
    op.create_index(
        "ix_orders_reference", "orders", ["reference"], unique=False, postgresql_where=sa.text("reference <> ''")
    )
    op.create_index(
        "uq_orders_open_device",
        "orders",
        ["customer_id", "service_id", "device"],
        unique=True,
        postgresql_where=sa.text("guarded AND state IN ('accepted', 'in_progress')"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("route_id", sa.BigInteger(), nullable=False),
        sa.Column("supplier_id", sa.BigInteger(), nullable=False),
        sa.Column("remote_service_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="prepared", nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("cost", sa.BigInteger(), nullable=True),
        sa.Column("cost_currency", sa.String(length=3), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_by", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("polls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("place_exchange_id", sa.BigInteger(), nullable=True),
        sa.Column("report_exchange_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state <> 'sending' OR (lease_by IS NOT NULL AND sent_at IS NOT NULL)",
            name=op.f("ck_attempts_sending_leased"),
        ),
        sa.CheckConstraint(
            "state IN ('prepared', 'sending', 'placed', 'unclear', 'done', 'failed', 'not_sent', 'refused')",
            name=op.f("ck_attempts_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('placed', 'done', 'failed') OR remote_id <> ''", name=op.f("ck_attempts_has_remote_id")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_attempts_order_id_orders")),
        sa.ForeignKeyConstraint(
            ["place_exchange_id"], ["exchanges.id"], name=op.f("fk_attempts_place_exchange_id_exchanges")
        ),
        sa.ForeignKeyConstraint(
            ["remote_service_id"], ["remote_services.id"], name=op.f("fk_attempts_remote_service_id_remote_services")
        ),
        sa.ForeignKeyConstraint(
            ["report_exchange_id"], ["exchanges.id"], name=op.f("fk_attempts_report_exchange_id_exchanges")
        ),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_attempts_route_id_routes")),
        sa.ForeignKeyConstraint(["supplier_id"], ["suppliers.id"], name=op.f("fk_attempts_supplier_id_suppliers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("order_id", "number", name=op.f("uq_attempts_order_id_number")),
        postgresql_with={"fillfactor": "85", "autovacuum_vacuum_scale_factor": "0.02"},
    )
    op.create_index(
        "ix_attempts_placed",
        "attempts",
        ["supplier_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'placed'"),
    )
    op.create_index(
        "ix_attempts_prepared",
        "attempts",
        ["supplier_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'prepared'"),
    )
    op.create_index(
        "ix_attempts_sending", "attempts", ["lease_until"], unique=False, postgresql_where=sa.text("state = 'sending'")
    )
    op.create_index(
        "ix_attempts_unclear",
        "attempts",
        ["supplier_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'unclear'"),
    )
    op.create_index(
        "uq_attempts_live",
        "attempts",
        ["order_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('prepared', 'sending', 'placed', 'unclear')"),
    )
    op.create_index(
        "uq_attempts_remote_id",
        "attempts",
        ["supplier_id", "remote_id"],
        unique=True,
        postgresql_where=sa.text("remote_id IS NOT NULL"),
    )
    op.create_table(
        "supplier_deposits",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("supplier_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_supplier_deposits_amount")),
        sa.CheckConstraint("reference <> ''", name=op.f("ck_supplier_deposits_reference")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_supplier_deposits_staff_id_staff")),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_supplier_deposits_supplier_id_suppliers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplier_deposits")),
        sa.UniqueConstraint("supplier_id", "reference", name=op.f("uq_supplier_deposits_supplier_id_reference")),
    )
    op.create_table(
        "transfers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("debit_id", sa.BigInteger(), nullable=False),
        sa.Column("credit_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(kind = 'topup') = (reference IS NOT NULL)", name=op.f("ck_transfers_topup_reference")),
        sa.CheckConstraint(
            "(kind IN ('charge', 'settle', 'refund', 'reverse')) = (order_id IS NOT NULL)",
            name=op.f("ck_transfers_order_kinds"),
        ),
        sa.CheckConstraint(
            "kind IN ('charge', 'settle', 'refund', 'reverse', 'topup', 'adjust')", name=op.f("ck_transfers_kind")
        ),
        sa.CheckConstraint("kind NOT IN ('adjust', 'reverse') OR reason IS NOT NULL", name=op.f("ck_transfers_reason")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_transfers_amount")),
        sa.CheckConstraint("debit_id <> credit_id", name=op.f("ck_transfers_two_accounts")),
        sa.ForeignKeyConstraint(["credit_id"], ["accounts.id"], name=op.f("fk_transfers_credit_id_accounts")),
        sa.ForeignKeyConstraint(["debit_id"], ["accounts.id"], name=op.f("fk_transfers_debit_id_accounts")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_transfers_order_id_orders")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_transfers_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
    )
    op.create_index("ix_transfers_credit_id", "transfers", ["credit_id", "id"], unique=False)
    op.create_index("ix_transfers_debit_id", "transfers", ["debit_id", "id"], unique=False)
    op.create_index(
        "uq_transfers_charge", "transfers", ["order_id"], unique=True, postgresql_where=sa.text("kind = 'charge'")
    )
    op.create_index(
        "uq_transfers_refund", "transfers", ["order_id"], unique=True, postgresql_where=sa.text("kind = 'refund'")
    )
    op.create_index(
        "uq_transfers_reverse", "transfers", ["order_id"], unique=True, postgresql_where=sa.text("kind = 'reverse'")
    )
    op.create_index(
        "uq_transfers_settle", "transfers", ["order_id"], unique=True, postgresql_where=sa.text("kind = 'settle'")
    )
    op.create_index(
        "uq_transfers_topup",
        "transfers",
        ["credit_id", "reference"],
        unique=True,
        postgresql_where=sa.text("kind = 'topup'"),
    )
    op.create_table(
        "order_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("old_state", sa.Text(), nullable=True),
        sa.Column("new_state", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_order_events_attempt_id_attempts")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_events_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_events")),
    )
    op.create_index("ix_order_events_order_id", "order_events", ["order_id", "id"], unique=False)
    for name in ("0001_ledger.sql", "0001_catalog.sql", "0001_orders.sql"):
        execute((SQL / name).read_text())
    execute(SchemaManager.get_schema())


def execute(script: str) -> None:
    """Run a script of many statements as it stands: colons and percent signs in it are its own."""
    op.get_bind().connection.cursor().execute(script)


def downgrade() -> None:
    raise RuntimeError("the first schema is not taken back: restore a backup instead")
