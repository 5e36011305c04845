package gss

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSPNEGO = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 2}
	oidKrb5   = asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2}
	// The number that Windows 2000 sent by mistake and later versions still know.
	oidMSKrb5 = asn1.ObjectIdentifier{1, 2, 840, 48018, 1, 2, 2}
)

// The states of a negotiation. RFC 4178, 4.2.2.
const (
	acceptCompleted = 0
	noState         = -1
)

// The kinds of a mechanism token. RFC 4121, 4.1.
var (
	tokenAPReq = []byte{1, 0}
	tokenAPRep = []byte{2, 0}
	tokenError = []byte{3, 0}
)

func context(n uint8) der.Tag { return der.Tag(n).Constructed().ContextSpecific() }

const application0 = der.Tag(0x60)

// mechInit frames an AP-REQ as Kerberos' first token. RFC 4121, 4.1.
func mechInit(apReq []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(application0, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidKrb5)
		b.AddBytes(tokenAPReq)
		b.AddBytes(apReq)
	})
	return b.Bytes()
}

// spnegoInit is the first token of a negotiation that offers Kerberos only. RFC 4178, 4.2.1.
func spnegoInit(mech []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(application0, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSPNEGO)
		b.AddASN1(context(0), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(context(0), func(b *cryptobyte.Builder) {
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidKrb5)
					})
				})
				b.AddASN1(context(2), func(b *cryptobyte.Builder) {
					b.AddASN1OctetString(mech)
				})
			})
		})
	})
	return b.Bytes()
}

// response is a NegTokenResp. RFC 4178, 4.2.2.
type response struct {
	state int
	token []byte
}

func parseResponse(b []byte) (response, error) {
	r := response{state: noState}
	bad := func(what string) (response, error) {
		return response{}, fmt.Errorf("read SPNEGO answer: %s", what)
	}
	in := cryptobyte.String(b)
	var choice, seq, field cryptobyte.String
	if !in.ReadASN1(&choice, context(1)) || !in.Empty() ||
		!choice.ReadASN1(&seq, der.SEQUENCE) || !choice.Empty() {
		return bad("not a NegTokenResp")
	}
	var present bool
	if !seq.ReadOptionalASN1(&field, &present, context(0)) {
		return bad("negState")
	}
	if present && (!field.ReadASN1Enum(&r.state) || !field.Empty()) {
		return bad("negState")
	}
	if !seq.ReadOptionalASN1(&field, &present, context(1)) {
		return bad("supportedMech")
	}
	if present {
		var oid asn1.ObjectIdentifier
		if !field.ReadASN1ObjectIdentifier(&oid) || !field.Empty() {
			return bad("supportedMech")
		}
		if !oid.Equal(oidKrb5) && !oid.Equal(oidMSKrb5) {
			return bad("mechanism " + oid.String() + " was not offered")
		}
	}
	if !seq.ReadOptionalASN1(&field, &present, context(2)) {
		return bad("responseToken")
	}
	if present {
		var token cryptobyte.String
		if !field.ReadASN1(&token, der.OCTET_STRING) || !field.Empty() {
			return bad("responseToken")
		}
		r.token = token
	}
	// One mechanism was offered, so there is no list to protect, and a mechListMIC says
	// nothing that the mechanism's own token does not. RFC 4178, 5.
	if !seq.SkipOptionalASN1(context(3)) || !seq.Empty() {
		return bad("more after it")
	}
	if r.token == nil {
		return bad("it carries no token")
	}
	return r, nil
}

// mechToken is what a Kerberos acceptor answers.
type mechToken struct {
	isError bool
	message []byte // an AP-REP, or a KRB-ERROR
}

func parseMechToken(b []byte) (mechToken, error) {
	kind, message, err := openMech(b)
	switch {
	case err != nil:
		return mechToken{}, err
	case bytes.Equal(kind, tokenAPRep):
		return mechToken{message: message}, nil
	case bytes.Equal(kind, tokenError):
		return mechToken{isError: true, message: message}, nil
	}
	return mechToken{}, fmt.Errorf("read Kerberos token: kind %x", kind)
}

// openMech takes the frame off a token of Kerberos.
func openMech(b []byte) (kind, message []byte, err error) {
	in := cryptobyte.String(b)
	var inner cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&inner, application0) || !in.Empty() ||
		!inner.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidKrb5) {
		return nil, nil, errors.New("read Kerberos token: not one")
	}
	if !inner.ReadBytes(&kind, 2) {
		return nil, nil, errors.New("read Kerberos token: truncated")
	}
	return kind, inner, nil
}
