package krb5

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Describe says in one line what a message to or from a KDC says in clear: names, realms,
// encryption types, errors. Nothing of what is encrypted, or encrypts, is in it. now is when
// it was sent or came.
func Describe(b []byte, now time.Time) string {
	if len(b) == 0 {
		return "an empty message"
	}
	text := ""
	err := guard(func() (err error) {
		text, err = describe(b, now)
		return err
	})
	if err != nil {
		return "a message that cannot be read"
	}
	return text
}

var errOther = errors.New("another message")

func describe(b []byte, now time.Time) (string, error) {
	switch b[0] {
	case 0x60 | asnAppTag.ASREQ:
		var m messages.ASReq
		if err := m.Unmarshal(b); err != nil {
			return "", err
		}
		body := m.ReqBody
		return fmt.Sprintf("AS-REQ: %s asks for %s; encryption %s; %s",
			Principal{body.CName, body.Realm}, Principal{body.SName, body.Realm}, encryptionNames(body.EType), preauthNames(m.PAData)), nil
	case 0x60 | asnAppTag.TGSREQ:
		var m messages.TGSReq
		if err := m.Unmarshal(b); err != nil {
			return "", err
		}
		body := m.ReqBody
		with := "no ticket"
		for _, pa := range m.PAData {
			var ap messages.APReq
			if pa.PADataType == patype.PA_TGS_REQ && ap.Unmarshal(pa.PADataValue) == nil {
				with = "with the ticket for " + ticketText(ap.Ticket)
			}
		}
		return fmt.Sprintf("TGS-REQ: asks for %s; encryption %s; %s", Principal{body.SName, body.Realm}, encryptionNames(body.EType), with), nil
	case 0x60 | asnAppTag.ASREP:
		var m messages.ASRep
		if err := m.Unmarshal(b); err != nil {
			return "", err
		}
		return replyText("AS-REP", m.KDCRepFields), nil
	case 0x60 | asnAppTag.TGSREP:
		var m messages.TGSRep
		if err := m.Unmarshal(b); err != nil {
			return "", err
		}
		return replyText("TGS-REP", m.KDCRepFields), nil
	case 0x60 | asnAppTag.KRBError:
		m, e, err := parseError(b, now)
		if err != nil {
			return "", err
		}
		text := fmt.Sprintf("KRB-ERROR: %s; the KDC's clock is %s; the one here is %.3f s ahead of it",
			strings.TrimPrefix(e.Error(), "kerberos error "), e.ServerTime.UTC().Format("2006-01-02T15:04:05.000000Z"), e.Skew.Seconds())
		if e.Realm != "" {
			text += "; client realm " + e.Realm
		}
		var methods types.PADataSequence
		if e.Code == PreauthRequired && methods.Unmarshal(m.EData) == nil {
			text += "; " + preauthNames(methods)
		}
		return text, nil
	}
	return "", errOther
}

func replyText(kind string, m messages.KDCRepFields) string {
	return fmt.Sprintf("%s: %s gets a ticket for %s; its session key comes under %s",
		kind, Principal{m.CName, m.CRealm}, ticketText(m.Ticket), encryptionText(m.EncPart))
}

func ticketText(t messages.Ticket) string {
	return fmt.Sprintf("%s (%s)", Principal{t.SName, t.Realm}, encryptionText(t.EncPart))
}

func encryptionText(e types.EncryptedData) string {
	text := EncryptionName(e.EType)
	if e.KVNO != 0 {
		text += fmt.Sprintf(", kvno %d", e.KVNO)
	}
	return text
}

func encryptionNames(list []int32) string {
	var out []string
	for _, e := range list {
		out = append(out, EncryptionName(e))
	}
	return strings.Join(out, ", ")
}

// preauthNames are the kinds of pre-authentication data, without what is in them.
func preauthNames(list types.PADataSequence) string {
	var out []string
	for _, pa := range list {
		switch pa.PADataType {
		case patype.PA_ENC_TIMESTAMP:
			out = append(out, "encrypted timestamp")
		case patype.PA_ETYPE_INFO2:
			out = append(out, "etype-info2")
		case patype.PA_PK_AS_REQ:
			out = append(out, "PKINIT")
		case patype.PA_FX_FAST:
			out = append(out, "FAST")
		case patype.PA_PAC_REQUEST:
			out = append(out, "PAC request")
		default:
			out = append(out, fmt.Sprint(pa.PADataType))
		}
	}
	if out == nil {
		return "no pre-authentication"
	}
	return "pre-authentication " + strings.Join(out, ", ")
}
