//go:build unix

package krb5

import (
	"os"
	"os/user"
	"strconv"
)

const systemConf = "/etc/krb5.conf"

// expand is the value of a %{token} in a path.
// https://web.mit.edu/kerberos/krb5-latest/doc/admin/conf_files/krb5_conf.html#parameter-expansion
func expand(token string) (value string, known bool) {
	switch token {
	case "uid", "USERID":
		return strconv.Itoa(os.Getuid()), true
	case "euid":
		return strconv.Itoa(os.Geteuid()), true
	case "username":
		u, err := user.LookupId(strconv.Itoa(os.Geteuid()))
		if err != nil {
			return "", false
		}
		return u.Username, true
	case "TEMP":
		return os.TempDir(), true
	case "null":
		return "", true
	}
	return "", false
}
