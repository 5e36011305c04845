# Runs on the lab's domain controller, as root beside its database: does what standard input asks for, in one transaction,
# and prints what is then stored below a base.
import base64
import json
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

lp = LoadParm()
lp.load_default()
db = SamDB(url="/var/lib/samba/private/sam.ldb", session_info=system_session(), lp=lp)
ask = json.load(sys.stdin)

db.transaction_start()
try:
    for o in ask.get("add") or []:
        db.add(dict(o["attrs"], dn=o["dn"]))
    for dn, password in (ask.get("passwords") or {}).items():
        db.setpassword("(distinguishedName=%s)" % ldb.binary_encode(dn), password)
        db.modify_ldif("dn: %s\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 512\n" % dn)
    for o in ask.get("members") or []:
        m = ldb.Message(ldb.Dn(db, o["dn"]))
        m["member"] = ldb.MessageElement(o["member"], ldb.FLAG_MOD_ADD, "member")
        db.modify(m)
    for o in ask.get("descriptors") or []:
        m = ldb.Message(ldb.Dn(db, o["dn"]))
        m["d"] = ldb.MessageElement(base64.b64decode(o["descriptor"]), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
        db.modify(m, controls=["sd_flags:1:7"])
    db.transaction_commit()
except BaseException:
    db.transaction_cancel()
    raise

found = []
if ask.get("base"):
    for m in db.search(ask["base"], ldb.SCOPE_SUBTREE, attrs=["*", "nTSecurityDescriptor"]):
        found.append({
            "dn": str(m.dn),
            "classes": [str(c) for c in m["objectClass"]],
            "sid": base64.b64encode(m["objectSid"][0]).decode() if "objectSid" in m else "",
            "descriptor": base64.b64encode(m["nTSecurityDescriptor"][0]).decode(),
            "attributes": [a for a in m.keys() if a != "dn"],
        })
json.dump(found, sys.stdout)
