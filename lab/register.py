"""Register a DC in DNS, on the DC that serves it: python3 - SERVER HOST SITE site|all ADDRESS...

Samba registers nothing on loopback. A read-only DC registers the names of its site alone, as on Windows.
[MS-ADTS] 6.3.2.3.
"""

import ipaddress
import sys

from samba import dnsserver, WERRORError, werror
from samba.auth import system_session
from samba.credentials import Credentials
from samba.dcerpc import dnsserver as rpc
from samba.param import LoadParm
from samba.samdb import SamDB

server, host, site, scope, addresses = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]
short, domain = host.split(".", 1)
lp = LoadParm()
lp.load_default()
db = SamDB(url="/var/lib/samba/private/sam.ldb", session_info=system_session(), lp=lp)
me = "CN=NTDS Settings,CN=%s,CN=Servers,CN=%s,CN=Sites,%s" % (short, site, db.get_config_basedn())
guid = db.schema_format_value("objectGUID", db.search(me, scope=0, attrs=["objectGUID"])[0]["objectGUID"][0]).decode()
domain_guid = db.schema_format_value("objectGUID", db.search(db.domain_dn(), scope=0, attrs=["objectGUID"])[0]["objectGUID"][0]).decode()

records = [(domain, short, "AAAA" if ipaddress.ip_address(a).version == 6 else "A", a) for a in addresses]
records.append(("_msdcs." + domain, guid, "CNAME", host))


def service(zone, name, port):
    records.append((zone, name, "SRV", "%s %d 0 100" % (host, port)))


msdcs = "_msdcs." + domain
here = ".%s._sites" % site
for where in [here] if scope == "site" else [here, ""]:
    service(domain, "_ldap._tcp" + where, 389)
    service(domain, "_kerberos._tcp" + where, 88)
    service(domain, "_gc._tcp" + where, 3268)
    service(msdcs, "_ldap._tcp" + where + ".dc", 389)
    service(msdcs, "_kerberos._tcp" + where + ".dc", 88)
    service(msdcs, "_ldap._tcp" + where + ".gc", 3268)
if scope != "site":
    service(domain, "_kerberos._udp", 88)
    service(msdcs, "_ldap._tcp.%s.domains" % domain_guid, 389)

credentials = Credentials()
credentials.guess(lp)
credentials.set_machine_account(lp)
connection = rpc.dnsserver("ncacn_ip_tcp:%s[sign]" % server, lp, credentials)
for zone, name, kind, data in records:
    buffer = rpc.DNS_RPC_RECORD_BUF()
    buffer.rec = dnsserver.record_from_string(getattr(dnsserver.dnsp, "DNS_TYPE_" + kind), data)
    try:
        connection.DnssrvUpdateRecord2(rpc.DNS_CLIENT_VERSION_LONGHORN, 0, server, zone, name, buffer, None)
    except WERRORError as e:
        if e.args[0] != werror.WERR_DNS_ERROR_RECORD_ALREADY_EXISTS:
            raise
