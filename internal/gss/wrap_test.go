package gss

import (
	"encoding/hex"
	"testing"

	"github.com/jcmturner/gokrb5/v8/types"
)

// What Samba 4.22.11 sent as the first buffer of a session: the answer to a search of its
// rootDSE for supportedLDAPVersion, sealed under its subkey, with EC 0 and RRC 28. The
// session was made for this capture.
const (
	sambaKey   = "3d713746684e95edba034589f6b7c7b660ada2c1f1d812510a7856f6b63052a6"
	sambaSeq   = 466306858
	sambaToken = "050407ff0000001c000000001bcb472a532104ce3de2f85a102d632326fecbaada6a431157f5f5649082c274cf71a56b" +
		"af47504d597ade46ebfa16908fd967721c9db108fa979e64d345a0e0310326bf1038b566a452a1f05fc146adc94ab772be9d44eb" +
		"a3483bd2ec94e14d4de0b94502f0a3ff5b"
)

func TestUnsealsWhatSambaSealed(t *testing.T) {
	key, err := hex.DecodeString(sambaKey)
	if err != nil {
		t.Fatal(err)
	}
	token, err := hex.DecodeString(sambaToken)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCFX(types.EncryptionKey{KeyType: 18, KeyValue: key}, true)
	if err != nil {
		t.Fatal(err)
	}
	message, err := c.unwrap(token, sambaSeq, true)
	if err != nil {
		t.Fatal(err)
	}
	const want = "3029020101642404003020301e0414737570706f727465644c44415056657273696f6e3106040132040133" +
		"300c02010165070a010004000400"
	if got := hex.EncodeToString(message); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
