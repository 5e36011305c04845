"""Finish a new DC while it doesn't run: python3 - HOST ADDRESS..., the administrator's password on standard input.

Issues a certificate. With a password, which the first DC of a domain is given, it sets that, lets it never expire, and
makes wrong passwords count.
"""

import datetime
import ipaddress
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

PRIVATE = "/var/lib/samba/private"


def accounts(password):
    lp = LoadParm()
    lp.load_default()
    db = SamDB(url=PRIVATE + "/sam.ldb", session_info=system_session(), lp=lp)
    administrator = "(sAMAccountName=Administrator)"
    db.setpassword(administrator, password, username="Administrator")
    db.setexpiry(administrator, 0, no_expiry_req=True)
    # Samba counts badPwdCount only where it could lock out, and never for the built-in administrator.
    db.modify_ldif("dn: %s\nchangetype: modify\nreplace: lockoutThreshold\nlockoutThreshold: 50\n" % db.domain_dn())


def certificate(host, addresses):
    # Samba makes one of its own, but without the host in the subjectAltName, and with a serial number that is
    # negative half of the time: Go refuses both.
    now = datetime.datetime.now(datetime.timezone.utc)

    def issue(subject, key, issuer, issuer_key, extensions):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=3650))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(issuer_key, hashes.SHA256())

    def write(name, data, mode):
        fd = os.open(PRIVATE + "/tls/" + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(fd, "wb") as f:
            f.write(data)

    os.makedirs(PRIVATE + "/tls", mode=0o700, exist_ok=True)
    ca_key = rsa.generate_private_key(65537, 2048)
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gmsactl lab CA for " + host)])
    ca = issue(ca_name, ca_key, ca_name, ca_key, [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), False),
    ])
    key = rsa.generate_private_key(65537, 2048)
    cert = issue(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), key, ca_name, ca_key, [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectAlternativeName([x509.DNSName(host)] + [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False),
    ])
    pem = serialization.Encoding.PEM
    write("ca.pem", ca.public_bytes(pem), 0o644)
    write("cert.pem", cert.public_bytes(pem), 0o644)
    write("key.pem", key.private_bytes(
        pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()), 0o600)


if __name__ == "__main__":
    password = sys.stdin.read()
    if password:
        accounts(password)
    certificate(sys.argv[1], sys.argv[2:])
