"""Which addresses are asked on somebody else's word."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odeion.adapters.outbound.addresses import is_local, is_public


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.216.34", "2606:4700::1", "::ffff:8.8.8.8"])
def test_machines_of_the_internet_are_public(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert is_public(address) and not is_local(address)


@pytest.mark.parametrize("text", ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1"])
def test_machines_nearby_are_local(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert is_local(address) and not is_public(address)


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",  # noqa: S104
        "169.254.169.254",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "5f00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_the_others_are_never_asked(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert not is_public(address) and not is_local(address)


@given(st.ip_addresses())
def test_nothing_is_both(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert not (is_public(address) and is_local(address))


@given(st.ip_addresses(v=4))
def test_an_address_mapped_into_the_other_family_is_the_same(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    assert (is_public(mapped), is_local(mapped)) == (is_public(address), is_local(address))
