package ldapx

import "testing"

// The messages are Windows' and Samba's own, of the bind but for the last five.
func TestWindowsErrors(t *testing.T) {
	for _, tt := range []struct {
		message        string
		status, reason uint32
	}{
		{"80090346: LdapErr: DSID-0C090711, comment: AcceptSecurityContext error, data 35b, v1db1", 0x80090346, 0x35b},
		{"80090346: LdapErr: DSID-0C090597, comment: AcceptSecurityContext error, data 80090346, v4563", 0x80090346, 0x80090346},
		{"8009030C: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data 52e, v4563", 0x8009030c, 0x52e},
		{"80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 775, v2580", 0x80090308, 0x775},
		{"00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity checking if SSL\\TLS are not already active on the connection, data 0, v4563", 0x2028, 0},
		{"000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v4563", 0x4dc, 0},
		{"00000057: LdapErr: DSID-0C090A7D, comment: Error processing control, data 0, v4563", 0x57, 0},
		{"00002098: SecErr: DSID-031514A0, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0", 0x2098, 0},
		{"0000208D: NameErr: DSID-0310028B, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'DC=corp,DC=example'", 0x208d, 0},
		{"SASL:[GSSAPI]: Sign or Seal are required.", 0, 0},
		{"acl_modify: 00002098: no right", 0x2098, 0},
		{"", 0, 0},
		{"ZZZZZZZZ: x, data xyz", 0, 0},
		{"x, data 123456789abcdef", 0, 0},
	} {
		e := &ResultError{Message: tt.message}
		if e.Status() != tt.status || e.Reason() != tt.reason {
			t.Errorf("%s: got %x, %x; want %x, %x", tt.message, e.Status(), e.Reason(), tt.status, tt.reason)
		}
	}
}
