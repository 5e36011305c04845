package ldapx

import (
	"context"

	"github.com/go-ldap/ldap/v3"
)

// WhoAmI asks the server whom it takes the session for, an authzId such as
// u:CORP\Administrator; empty is anonymous. RFC 4532.
func (s *Session) WhoAmI(ctx context.Context) (string, error) {
	var answer *ldap.WhoAmIResult
	err := s.do(ctx, "ask for the identity of", "the session", func() (err error) {
		answer, err = s.ldap.WhoAmI(nil)
		return err
	})
	if err != nil {
		return "", err
	}
	return answer.AuthzID, nil
}
