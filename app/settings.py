"""Settings: every variable the program reads, checked once at start and passed on as an argument.

``load_settings`` is called by the command line at process start; nothing keeps the result in a module. Values come
from the environment, then from ``.env`` in the working directory; an empty value counts as unset. Every variable is
listed with its default in ``.env.example``, and a test keeps the two equal.
"""

import ipaddress
import logging
import os
import secrets
import sys
import tempfile
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.mail import mail_server
from app.money import check_currency, parse_amount
from app.sealing import MIN_KEY_LENGTH, Sealer

_POSTGRES_SCHEMES = ("postgres://", "postgresql://", "postgresql+psycopg://")
_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


class SettingsError(ValueError):
    """The environment cannot be used; the text has one line per variable and never a value."""


class Environment(StrEnum):
    """Where this runs; production refuses to start on guesses."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogLevel(StrEnum):
    """The least severe line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks; auto is console on a terminal and JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


def _micro_units(value: object) -> object:
    """Read an amount as people write it, "500.00"; what is micro-units already (from ``replace``) stays."""
    return parse_amount(value) if isinstance(value, str) else value


class Settings(BaseSettings):
    """One process's settings: frozen, complete, and without secrets in any repr."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",  # .env is shared with docker compose, which keeps variables of its own there
        env_ignore_empty=True,
        env_file_encoding="utf-8",
        hide_input_in_errors=True,
    )

    environment: Environment = Field(
        Environment.DEVELOPMENT,
        description="development or production. Production demands SECRET_KEY instead of inventing one.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="postgresql://user:password@host:5432/name. Unset: an embedded PostgreSQL under VAR_DIR.",
    )
    database_pool_size: int = Field(10, ge=1, le=500, description="Connections to PostgreSQL per process, at most.")
    redis_url: SecretStr | None = Field(
        None,
        description="redis://host:6379/0 shares rate limits between processes. Unset: each process counts alone.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description=f"Seals supplier credentials and hashes API keys: {MIN_KEY_LENGTH} characters or more. Several are "
        "separated by commas, newest first. Unset in development: made once in VAR_DIR/secret_key.",
    )
    var_dir: Path = Field(
        Path("./var"), description="Folder for what the program itself keeps on disk (embedded database, dev key)."
    )
    host: str = Field("127.0.0.1", min_length=1, description="Address the HTTP server listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the HTTP server listens on; 0 takes a free one.")
    public_url: str | None = Field(
        None, description="The URL under which resellers reach us, if it is not http://HOST:PORT."
    )
    workers: int = Field(1, ge=1, le=256, description="HTTP server processes; about one per core.")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Reverse proxies whose X-Forwarded-For and -Proto are believed: addresses or networks in CIDR "
        "form, separated by commas.",
    )
    max_body_bytes: int = Field(8 * 1024 * 1024, ge=1024, description="Largest request body that is read, in bytes.")
    max_file_bytes: int = Field(
        2 * 1024 * 1024, ge=1, description="Largest file that a customer may send with an order, in bytes."
    )
    log_level: LogLevel = Field(LogLevel.INFO, description="debug, info, warning or error.")
    log_format: LogFormat = Field(LogFormat.AUTO, description="json, console, or auto: console on a terminal.")
    currency: str = Field("USD", description="Currency of new accounts and prices unless a call names another.")
    four_eyes_above: Annotated[int | None, BeforeValidator(_micro_units)] = Field(
        None,
        description="Above this amount of CURRENCY a top-up, adjustment, reversal or credit limit waits until another "
        "member of staff approves it. Unset: never.",
    )
    dhru_requests_per_minute: int = Field(
        600, ge=0, description="DHRU calls an API key may make per minute; 0 means no limit."
    )
    api_requests_per_minute: int = Field(
        600, ge=0, description="REST calls an API key may make per minute; 0 means no limit."
    )
    isave_wait_seconds: int = Field(
        18,
        ge=1,
        le=60,
        description="Seconds that a reply over iSave's protocol waits for its result; its clients hang up after 20.",
    )
    duplicate_window_seconds: int = Field(
        30, ge=0, le=86_400, description="A byte-identical order within this time gets the first order's id back."
    )
    sync_minutes: int = Field(30, ge=1, description="Minutes between two readings of a supplier's catalogue.")
    balance_minutes: int = Field(10, ge=1, description="Minutes between two readings of our balance at a supplier.")
    audit_hour: int = Field(3, ge=0, le=23, description="The hour of the day, in UTC, at which the books are proved.")
    worker_tick_ms: int = Field(
        300, ge=10, le=60_000, description="How often an idle worker looks for due orders, in milliseconds."
    )
    exchange_days: int = Field(
        180,
        ge=1,
        le=36_500,
        description="Days that requests to suppliers and their replies are kept; those of an order, as long after it "
        "was closed.",
    )
    lease_seconds: int = Field(
        30,
        ge=5,
        le=3600,
        description="How long a worker holds an order between two signs of life; after that it counts as dead.",
    )

    worker_silent_seconds: int = Field(
        60, ge=6, le=3600, description="When no worker was seen for this long, staff get an alarm."
    )
    work_overdue_seconds: int = Field(
        120, ge=10, le=86_400, description="When work is due for this long and nobody took it, staff get an alarm."
    )
    brand: str = Field("Trunkline", min_length=1, max_length=60, description="The name that the admin's pages show.")
    second_factor_roles: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Roles of staff that need a second factor to use the admin, separated by commas, e.g. "
        "owner,finance. Others may enrol one.",
    )
    session_idle_minutes: int = Field(
        60, ge=5, le=1440, description="Minutes without a click after which staff have to sign in again."
    )
    session_hours: int = Field(
        12, ge=1, le=720, description="Hours after which staff have to sign in again in any case."
    )
    webhook_ports: Annotated[tuple[int, ...], NoDecode] = Field(
        (443, 80, 8443, 8080), description="Ports that customers' webhooks may name, separated by commas."
    )
    webhook_plain_http: bool = Field(
        False, description="Whether customers' webhooks may go to http:// too, where anybody on the way can read them."
    )
    webhook_allowed_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Networks in CIDR form, separated by commas, that customers' webhooks may reach although they are "
        "not public: receivers of your own. Everything in them can then be called by any customer.",
    )
    simulator_url: str | None = Field(
        None,
        description="Where `trunkline simulator` runs, e.g. http://127.0.0.1:9100: newcomers are offered it as their "
        "first supplier. Unset: they are not.",
    )
    simulator_api_key: SecretStr | None = Field(
        None, description="The key that the simulator takes. Unset: the one in its source; it sells nothing real."
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="smtp://user:password@host:587 (STARTTLS), smtps://... or, only inside a house, smtp+plain://...: "
        "sends customers of the portal what lets them choose a new password, and word of webhooks that are paused. "
        "Unset: staff have to invite them anew.",
    )
    mail_from: str = Field("", max_length=254, description="The address that mail to customers comes from.")
    metrics_token: SecretStr | None = Field(
        None,
        description="Bearer token for GET /metrics, 16 characters or more. Unset: only answered on the machine itself.",
    )

    @field_validator("metrics_token")
    @classmethod
    def _long_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 16:
            raise ValueError("must have at least 16 characters")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            mail_server(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> Self:
        if self.smtp_url is not None and "@" not in parseaddr(self.mail_from)[1]:
            raise ValueError("MAIL_FROM must be an e-mail address when SMTP_URL is set")
        return self

    @field_validator("database_url")
    @classmethod
    def _postgres_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        url = value.get_secret_value().strip()
        scheme = next((scheme for scheme in _POSTGRES_SCHEMES if url.startswith(scheme)), None)
        if scheme is None:
            raise ValueError("must start with postgresql:// (or postgres://, postgresql+psycopg://)")
        return SecretStr("postgresql://" + url.removeprefix(scheme))

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(_REDIS_SCHEMES):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            Sealer(_split(value.get_secret_value()))
        return value

    @field_validator("public_url", "simulator_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with https:// or http://")
        return value.rstrip("/") if value else None

    @field_validator("webhook_ports", mode="before")
    @classmethod
    def _ports(cls, value: object) -> object:
        ports = tuple(_split(value)) if isinstance(value, str) else value
        if isinstance(ports, list | tuple) and not all(str(port).isdigit() and 0 < int(port) < 65536 for port in ports):
            raise ValueError("ports are numbers from 1 to 65535")
        return ports

    @field_validator("trusted_proxies", "webhook_allowed_networks", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if isinstance(value, str):
            value = _split(value)
        if not isinstance(value, list | tuple):
            return value
        networks = []
        for part in value:
            try:
                networks.append(str(ipaddress.ip_network(part, strict=False)))
            except ValueError:
                raise ValueError(f"{str(part)[:50]!r} is neither an IP address nor a network") from None
        return tuple(networks)

    @field_validator("second_factor_roles", mode="before")
    @classmethod
    def _roles(cls, value: object) -> object:
        roles = tuple(_split(value)) if isinstance(value, str) else value
        known = ("owner", "operator", "finance", "read_only")
        if isinstance(roles, list | tuple) and not set(roles) <= set(known):
            raise ValueError(f"roles are {', '.join(known)}")
        return roles

    @field_validator("log_level", "log_format", "environment", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("four_eyes_above")
    @classmethod
    def _not_below_zero(cls, value: int | None) -> int | None:
        if value is not None and value < 0:
            raise ValueError("an amount of zero or more, such as 500.00")
        return value

    @field_validator("currency")
    @classmethod
    def _currency_code(cls, value: str) -> str:
        return check_currency(value.strip().upper())

    @model_validator(mode="after")
    def _production_has_a_key(self) -> Self:
        if self.environment is Environment.PRODUCTION and self.secret_key is None:
            raise ValueError("SECRET_KEY is required in production, e.g. from: openssl rand -base64 48")
        return self

    @property
    def base_url(self) -> str:
        """The URL under which clients reach us, without a slash at the end."""
        if self.public_url is not None:
            return self.public_url
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def database_conninfo(self) -> str:
        """The database as psycopg wants it, password included; SettingsError while there is none."""
        if self.database_url is None:
            raise SettingsError("DATABASE_URL is not set and no embedded database was started")
        return self.database_url.get_secret_value()

    @property
    def sqlalchemy_url(self) -> str:
        """The database as SQLAlchemy wants it, password included; SettingsError while there is none."""
        return "postgresql+psycopg://" + self.database_conninfo.removeprefix("postgresql://")

    @property
    def logs_as_json(self) -> bool:
        """Whether log lines are JSON, with auto decided by what standard error is."""
        return self.log_format is LogFormat.JSON or (self.log_format is LogFormat.AUTO and not sys.stderr.isatty())

    def with_database(self, url: str) -> "Settings":
        """Return the same settings with another database, e.g. the embedded one that was just started."""
        return self.replace(database_url=url)

    def replace(self, **changes: Any) -> "Settings":
        """Return a copy with some fields changed and everything checked again; SettingsError if it does not fit."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return _checked({**values, **changes})

    def sealer(self) -> Sealer:
        """Return what seals and opens secrets with this process's keys; ValueError if there is no key."""
        return Sealer(_split(self.secret_key.get_secret_value()) if self.secret_key else [])


def load_settings(env_file: Path | None = Path(".env"), **overrides: Any) -> Settings:
    """Read the environment and ``env_file`` and return settings that can be used.

    ``overrides`` are fields by name and win over both. Raises SettingsError with one line per wrong variable. In
    development a missing SECRET_KEY is made once, kept in ``VAR_DIR/secret_key`` (mode 0600) and warned about.
    """
    settings = _checked({"_env_file": env_file, **overrides})
    if settings.secret_key is None:
        settings = settings.replace(secret_key=_development_key(settings.var_dir))
    return settings


def _checked(values: dict[str, Any]) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False, include_context=False):
            name = ".".join(str(part) for part in problem["loc"]).upper()
            text = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {text}" if name else text)
        # The cause would print the values; the lines say all that a person can act on.
        raise SettingsError("\n".join(lines)) from None


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _development_key(var_dir: Path) -> str:
    """Return the key in ``var_dir/secret_key``, making it if need be; processes that race get the same one."""
    path = var_dir / "secret_key"
    if not path.exists():
        var_dir.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=var_dir, prefix=".secret_key")  # mkstemp makes it 0600
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48) + "\n")
            # link() fails if the file is there by now, so the first process to get here decides for all.
            path.hardlink_to(draft)
            logging.getLogger(__name__).warning(
                "SECRET_KEY is not set: made one in %s. Keep it with your backups; without it nothing sealed opens.",
                path,
            )
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
    return path.read_text().strip()
