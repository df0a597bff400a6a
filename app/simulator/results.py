"""The texts the simulator delivers: the same device always gets the same answer."""

import hashlib
from collections.abc import Callable, Mapping

REJECTED = "Order rejected: the supplier cannot process this device. Credit refunded."

_MODELS = ("iPhone 12 64GB Black", "iPhone 13 Pro 256GB Graphite", "iPhone 14 128GB Midnight", "iPhone 15 Pro 512GB")
_CARRIERS = ("US AT&T", "US T-Mobile", "UK EE", "Unlock", "Germany Telekom", "France Orange")
_ANDROIDS = ("Galaxy S21 5G SM-G991B", "Galaxy A54 SM-A546E", "Redmi Note 12 Pro", "Xiaomi 13T")


def result(kind: str, device: str, reference: int) -> str:
    """Return the CODE for a finished order; lines are parted by ``<br>``, as DHRU suppliers do."""
    digest = hashlib.sha256(f"{device or reference}".encode()).digest()
    return "<br>".join(_TEXTS[kind](device, digest))


def _carrier(device: str, digest: bytes) -> list[str]:
    return [
        f"Model: {_MODELS[digest[0] % len(_MODELS)]}",
        f"IMEI Number: {device}",
        f"Serial Number: F{digest[1:6].hex().upper()}",
        f"Find My iPhone: {'ON' if digest[6] % 3 == 0 else 'OFF'}",
        f"Carrier: {_CARRIERS[digest[7] % len(_CARRIERS)]}",
        f"SIM-Lock Status: {'Locked' if digest[8] % 2 else 'Unlocked'}",
    ]


def _findmy(device: str, digest: bytes) -> list[str]:
    return [f"IMEI: {device}", f"Find My iPhone: {'ON' if digest[6] % 3 == 0 else 'OFF'}"]


def _serial(device: str, digest: bytes) -> list[str]:
    return [f"Serial: {device}", "Model: MacBook Air 13 (M2, 2022)", f"iCloud Lock: {'ON' if digest[6] % 3 else 'OFF'}"]


def _android(device: str, digest: bytes) -> list[str]:
    return [
        f"IMEI: {device}",
        f"Model: {_ANDROIDS[digest[0] % len(_ANDROIDS)]}",
        f"Warranty: {2024 + digest[1] % 3}-06",
    ]


def _blacklist(device: str, digest: bytes) -> list[str]:
    return [f"IMEI: {device}", f"Blacklist Status: {'BLACKLISTED' if digest[2] % 7 == 0 else 'CLEAN'}"]


def _unlock(device: str, digest: bytes) -> list[str]:
    return [f"IMEI: {device}", f"Network code: {int.from_bytes(digest[:4]) % 10**8:08d}", "Defreeze: not supported"]


def _activation(device: str, digest: bytes) -> list[str]:
    return ["Activated", f"Licence: {digest[:8].hex().upper()}"]


def _credits(device: str, digest: bytes) -> list[str]:
    return ["Credits added", f"Transaction: {digest[:6].hex().upper()}"]


def _file(_device: str, digest: bytes) -> list[str]:
    return [f"Network code: {int.from_bytes(digest[:4]) % 10**8:08d}"]


_TEXTS: Mapping[str, Callable[[str, bytes], list[str]]] = {
    "carrier": _carrier,
    "findmy": _findmy,
    "serial": _serial,
    "android": _android,
    "blacklist": _blacklist,
    "unlock": _unlock,
    "activation": _activation,
    "credits": _credits,
    "file": _file,
}
