//go:build !unix

package krb5

import "os"

// systemConf is where MIT Kerberos for Windows has it.
var systemConf = os.Getenv("ProgramData") + `\MIT\Kerberos5\krb5.ini`

// expand is the value of a %{token} in a path.
func expand(token string) (value string, known bool) {
	switch token {
	case "TEMP":
		return os.TempDir(), true
	case "null":
		return "", true
	}
	return "", false
}
