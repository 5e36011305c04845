package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/ldapx"
)

func TestElsewhere(t *testing.T) {
	refusal := func(code int32) error {
		return &ldapx.BindError{Stage: ldapx.StageTicket, Err: &krb5.Error{Code: code}}
	}
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"nobody listens", &ldapx.DialError{Address: "dc1:389", Err: errors.New("connection refused")}, true},
		{"the KDC is silent", &ldapx.BindError{Stage: ldapx.StageTicket, Err: fmt.Errorf("ask KDC: %w", context.DeadlineExceeded)}, true},
		{"it hangs up while it is bound to", &ldapx.BindError{Stage: ldapx.StageBind, Err: fmt.Errorf("read bind answer: %w", io.EOF)}, true},
		{"the connection is reset", &ldapx.BindError{Stage: ldapx.StageBind, Err: &net.OpError{Op: "read", Err: errors.New("reset")}}, true},
		{"it is busy", &ldapx.BindError{Stage: ldapx.StageBind, Err: &ldapx.ResultError{Op: "bind", Code: ldapx.CodeBusy}}, true},
		{"it does not know itself yet", refusal(krb5.ServiceUnknown), true},
		{"a wrong password", refusal(krb5.PreauthFailed), false},
		{"a locked account", refusal(krb5.ClientRevoked), false},
		{"an unknown account", refusal(krb5.ClientUnknown), false},
		{"a clock that is wrong", refusal(krb5.ClockSkew), false},
		{"a secret that was tried", &ldapx.BindError{Stage: ldapx.StageTicket, Err: ldapx.ErrSpent}, false},
		{"a bind that is refused", &ldapx.BindError{Stage: ldapx.StageBind, Err: &ldapx.ResultError{Op: "bind", Code: 49}}, false},
		{"a server that proves nothing", &ldapx.BindError{Stage: ldapx.StageBind, Err: fmt.Errorf("%w: %w", gss.ErrMutualAuth, io.EOF)}, false},
		{"what was sent was tampered with", &ldapx.ConnectionError{Op: "read", Err: gss.ErrIntegrity}, false},
		{"a mistake in the flags", errors.New("keytab: no such file"), false},
	}
	for _, tt := range tests {
		if got := elsewhere(tt.err); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
