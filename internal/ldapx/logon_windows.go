package ldapx

import "github.com/gmsactl/gmsactl/internal/sspi"

// systemLogon makes a context with a service for who is logged on.
var systemLogon = func(service string, flags uint32, binding []byte) (systemKerberos, error) {
	c, err := sspi.New(service, flags, binding)
	if err != nil {
		return nil, err
	}
	return c, nil
}
