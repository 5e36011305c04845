package directory

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseTime reads a GeneralizedTime in UTC, 20260102030405.0Z, to the second. RFC 4517, 3.3.13.
func ParseTime(text string) (time.Time, error) {
	whole, _, _ := strings.Cut(strings.TrimSuffix(text, "Z"), ".")
	t, err := time.Parse("20060102150405", whole)
	if err != nil || !strings.HasSuffix(text, "Z") {
		return time.Time{}, fmt.Errorf("%q is no time", text)
	}
	return t, nil
}

// ParseFileTime reads a count of 100 ns since 1601, as an Integer8 attribute has it; an error for
// those that mean never: 0, and the largest. [MS-DTYP] 2.3.3.
func ParseFileTime(text string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n == 1<<63-1 {
		return time.Time{}, fmt.Errorf("%q is no time", text)
	}
	const epoch = 11644473600 // seconds from 1601 to 1970
	return time.Unix(n/1e7-epoch, n%1e7*100).UTC(), nil
}
