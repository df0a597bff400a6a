"""What each kind of channel is set up with; the secrets are those of type ``SecretStr``.

============  =========================================================================================
email         SMTP: ``host``, ``port``, ``security`` (starttls, tls, none), ``sender``, ``recipients``,
              ``username``, ``password`` (secret)
telegram      HTTP Bot API: ``chat_id``, ``bot_token`` (secret), ``api_url`` if not Telegram's own
webhook       a POST of JSON to ``url``, signed with ``secret``
============  =========================================================================================
"""

import ipaddress
import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator


class ChannelKind(StrEnum):
    """How a channel reaches people."""

    EMAIL = "email"
    TELEGRAM = "telegram"
    WEBHOOK = "webhook"


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address begins with https:// or http:// and names a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address holds no user or password")
    return value


def _address(value: str) -> str:
    if not re.fullmatch(r"[^@\s\x00<>,]{1,64}@[^@\s\x00<>,]{1,253}", value):
        raise ValueError("that is not an e-mail address")
    return value


HttpUrl = Annotated[str, Field(max_length=2000), AfterValidator(_http_url)]
Address = Annotated[str, AfterValidator(_address)]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class EmailConfig(_Config):
    """A mail server that takes messages from us; without ``username`` it is not logged in to."""

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: Address
    recipients: list[Address] = Field(min_length=1, max_length=20)
    username: str = Field("", max_length=320)
    password: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _password_only_over_tls(self) -> "EmailConfig":
        if self.security == "none" and self.password.get_secret_value() and not _is_loopback(self.host):
            raise ValueError("a password is sent only over TLS: security is starttls or tls")
        return self


class TelegramConfig(_Config):
    """A bot and the chat it writes to; ``api_url`` is where the Bot API is, without the token."""

    chat_id: str = Field(pattern=r"^(-?\d{1,20}|@\w{1,64})$")
    bot_token: SecretStr
    api_url: HttpUrl = "https://api.telegram.org"

    @field_validator("bot_token")
    @classmethod
    def _is_a_token(cls, value: SecretStr) -> SecretStr:
        # It becomes part of a path.
        if not re.fullmatch(r"[A-Za-z0-9:_-]{8,200}", value.get_secret_value()):
            raise ValueError("that is not a bot's token")
        return value


class WebhookConfig(_Config):
    """A server that takes signed JSON."""

    url: HttpUrl
    secret: SecretStr

    @field_validator("secret")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if not 16 <= len(value.get_secret_value()) <= 200:
            raise ValueError("a secret has 16 to 200 characters")
        return value


ChannelConfig = EmailConfig | TelegramConfig | WebhookConfig
CONFIGS: Mapping[ChannelKind, type[ChannelConfig]] = MappingProxyType(
    {ChannelKind.EMAIL: EmailConfig, ChannelKind.TELEGRAM: TelegramConfig, ChannelKind.WEBHOOK: WebhookConfig}
)
SECRETS = frozenset({"password", "bot_token", "secret"})
"""The names of all secrets of all kinds."""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
