"""Secrets at rest: supplier credentials are sealed, API keys and staff tokens kept as keyed hashes; links are signed.

``SECRET_KEY`` may hold several keys separated by commas. The first seals and hashes; all of them open and match, so a
new key is put in front, and ``trunkline rotate-secrets`` seals everything anew. Keys and tokens are hashed anew when
they are used; one that was not used until the old key is dropped no longer works.
"""

import base64
import hashlib
import hmac
import secrets
import string
from collections.abc import Sequence
from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

MIN_KEY_LENGTH = 32

SHOWN_AGAIN = timedelta(minutes=5)
"""How long what is shown once is shown again to who sends the very same form again: a double click, a lost reply."""

_ALPHABET = string.ascii_letters + string.digits
_TOKEN_LENGTH = 43  # 43 * log2(62) = 256 bits


class Sealer:
    """Seals and hashes with the first of its keys, opens and matches with any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        """``keys`` newest first; ValueError if there is none or one is shorter than 32 characters."""
        if not keys or any(len(key) < MIN_KEY_LENGTH for key in keys):
            raise ValueError(f"SECRET_KEY needs one or more keys of at least {MIN_KEY_LENGTH} characters")
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(key, "seal"))) for key in keys])
        self._hash_keys = [_derive(key, "hash") for key in keys]
        self._sign_keys = [_derive(key, "sign") for key in keys]
        self._token_key = _derive(keys[0], "token")

    def seal(self, plain: str) -> bytes:
        """Return ``plain`` encrypted and authenticated."""
        return self._fernet.encrypt(plain.encode())

    def open(self, sealed: bytes) -> str:
        """Return what was sealed; ValueError if no key opens it."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise ValueError("no SECRET_KEY opens this secret") from error

    def reseal(self, sealed: bytes) -> bytes:
        """Return the same secret sealed with the newest key; ValueError if no key opens it."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken as error:
            raise ValueError("no SECRET_KEY opens this secret") from error

    def hash(self, token: str) -> bytes:
        """Return the keyed hash under which a new token is stored.

        The tokens are 256-bit random, so one keyed SHA-256 is enough; slow hashes are for passwords.
        """
        return _keyed(self._hash_keys[0], token)

    def hashes(self, token: str) -> list[bytes]:
        """Return every hash under which ``token`` may be stored, newest key first."""
        return [_keyed(key, token) for key in self._hash_keys]

    def token(self, prefix: str, text: str) -> str:
        """Return a token of 256 bits like a ``new_token``, the same for the same text, which nobody else can guess.

        What a form makes that counts once has such a token, made of the form: sent again, it is found again.
        """
        # Twice as long as needed, so that the remainder of the division favours no digit.
        long = hmac.new(self._token_key, f"{prefix}/{text}".encode(), hashlib.sha512).digest()
        return _spelled(prefix, int.from_bytes(long))

    def secret(self, text: str) -> bytes:
        """Return 32 bytes, the same for the same text, which nobody without the key can guess."""
        return _keyed(self._token_key, text)

    def sign(self, text: str) -> str:
        """Return the signature of ``text`` in 64 hexadecimal digits, which nobody without a key can guess.

        What is signed says what it is for (``file/17``), so that one signature never serves for another purpose.
        """
        return _keyed(self._sign_keys[0], text).hex()

    def is_signed(self, text: str, signature: str) -> bool:
        """Say, in constant time, whether ``signature`` is that of ``text`` under any of the keys."""
        given = signature.encode(errors="surrogatepass")
        return any(hmac.compare_digest(_keyed(key, text).hex().encode(), given) for key in self._sign_keys)


def new_token(prefix: str) -> str:
    """Return a fresh random token of 256 bits, e.g. ``tk_3q27w…``; the prefix tells leaked ones apart.

    Letters and digits only, so that a double click selects it and no form or shell changes it.
    """
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(_TOKEN_LENGTH))}"


def _spelled(prefix: str, number: int) -> str:
    digits = []
    for _ in range(_TOKEN_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return f"{prefix}_{''.join(digits)}"


def _derive(key: str, purpose: str) -> bytes:
    return hmac.new(key.encode(), f"trunkline/{purpose}".encode(), hashlib.sha256).digest()


def _keyed(key: bytes, token: str) -> bytes:
    return hmac.new(key, token.encode(errors="surrogatepass"), hashlib.sha256).digest()
