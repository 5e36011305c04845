package ldapx

import (
	"strconv"
	"strings"
)

// Status is the error that Active Directory puts in front of its message, as in
// "80090346: LdapErr: DSID-0C090711, comment: AcceptSecurityContext error, data 35b, v1db1":
// a Win32 error or an SSPI status. It is 0 where there is none. [MS-ADTS] 3.1.1.3.1.9.
func (e *ResultError) Status() uint32 {
	// Some servers put words before it.
	for field := range strings.SplitSeq(e.Message, " ") {
		digits, ok := strings.CutSuffix(field, ":")
		if !ok || len(digits) != 8 {
			continue
		}
		if n, err := strconv.ParseUint(digits, 16, 32); err == nil {
			return uint32(n)
		}
	}
	return 0
}

// Reason is the error that comes after "data" in such a message: of a refused bind the Win32
// error of the logon. It is 0 where there is none.
func (e *ResultError) Reason() uint32 {
	_, rest, ok := strings.Cut(e.Message, ", data ")
	if !ok {
		return 0
	}
	digits, _, _ := strings.Cut(rest, ",")
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 16, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
