"""Which addresses a server of ours may connect to on somebody else's word."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# Addresses that relays carry on to an IPv4 address inside them, and a block for documentation.
_NOT_MACHINES = tuple(ipaddress.ip_network(network) for network in ("2001::/32", "2002::/16", "3fff::/20"))
# Shared address space: neither private nor public to Python; overlay networks use it.
_SHARED = ipaddress.ip_network("100.64.0.0/10")


def is_public(address: Address) -> bool:
    """Whether it can only be a machine of the internet. `is_global` alone lets through multicast, 64:ff9b::/96,
    2002::/16 and fec0::/10."""
    address = _unmapped(address)
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return address in _GLOBAL_UNICAST and not any(address in network for network in _NOT_MACHINES)
    return True


def is_local(address: Address) -> bool:
    """Whether it can be a machine of the local network, or this one. Link-local addresses are not: clouds tell secrets
    there."""
    address = _unmapped(address)
    if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved:
        return address.is_loopback
    if isinstance(address, ipaddress.IPv6Address):
        return address.is_loopback or address in ipaddress.ip_network("fc00::/7")
    return address.is_private or address in _SHARED


def _unmapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
