package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// The forms of a descriptor.
const (
	formAuto   = "auto"
	formSDDL   = "sddl"
	formHex    = "hex"
	formBase64 = "base64"
	formRaw    = "raw"
)

var inForms = []string{formAuto, formSDDL, formHex, formBase64, formRaw}

// maxText is the most bytes that one descriptor may have in any form. Two ACLs of 64 KiB
// are less than half a megabyte in SDDL.
const maxText = 4 << 20

// input is where a descriptor comes from.
type input struct {
	name string // for messages
	text string // of an argument
	file string
	from io.Reader // standard input; nil for the others
}

// sddlInput is what the arguments and --file name. Nothing is read yet.
func (a *app) sddlInput(cmd *cobra.Command, args []string, f *sddlFlags) (*input, error) {
	stdin := func() (*input, error) {
		if a.connect.passwordStdin {
			return nil, errors.New("standard input is the password (--password-stdin) and cannot be a descriptor too")
		}
		return &input{name: "standard input", from: a.stdin}, nil
	}
	file := f.file
	if len(args) > 0 {
		if file != "" {
			return nil, fmt.Errorf("--file and %q: give one descriptor, not two", args[0])
		}
		file = strings.TrimPrefix(args[0], "@")
		switch {
		case args[0] == "-":
			return stdin()
		case file != args[0]:
		case f.lines:
			return nil, errors.New("--lines reads standard input, or a file with --file: a descriptor as an argument is one already")
		case args[0] == "":
			return nil, &usageError{errors.New("the descriptor is empty"), cmd.CommandPath()}
		default:
			return &input{name: "the argument", text: args[0]}, nil
		}
	}
	switch {
	case file == "-":
		return stdin()
	case file != "":
		return &input{name: file, file: file}, nil
	case len(args) > 0:
		return nil, &usageError{errors.New("@ without the name of a file"), cmd.CommandPath()}
	case isTerminal(a.stdin) && !f.lines:
		return nil, &usageError{errors.New("no descriptor is given, and standard input is a terminal"), cmd.CommandPath()}
	}
	return stdin()
}

// open is the input as a stream, and how to be done with it.
func (in *input) open() (io.Reader, func(), error) {
	switch {
	case in.from != nil:
		return in.from, func() {}, nil
	case in.file != "":
		f, err := os.Open(in.file)
		if err != nil {
			return nil, nil, err
		}
		return f, func() { f.Close() }, nil
	}
	return strings.NewReader(in.text), func() {}, nil
}

// all is the whole input, as UTF-8 where it is text, without the line end that editors and
// shells put at the end.
func (in *input) all(ctx context.Context) ([]byte, error) {
	r, done, err := in.open()
	if err != nil {
		return nil, err
	}
	type answer struct {
		b   []byte
		err error
	}
	read := make(chan answer, 1)
	// A terminal or a pipe may never say anything more: the interrupt is not to wait for it.
	go func() {
		defer done()
		b, err := io.ReadAll(io.LimitReader(r, maxText+1))
		read <- answer{b, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case got := <-read:
		switch {
		case got.err != nil:
			return nil, fmt.Errorf("read %s: %w", in.name, got.err)
		case len(got.b) > maxText:
			return nil, &hintedError{fmt.Errorf("%s is longer than %d bytes, which no descriptor is", in.name, maxText), "--lines reads one descriptor a line"}
		}
		return plainText(got.b), nil
	}
}

// plainText is text as UTF-8 without a byte order mark and without the last line end; raw
// bytes, of which no descriptor begins with such a mark, stay as they are.
func plainText(b []byte) []byte {
	if len(b) > 0 && b[0] == 1 {
		return b
	}
	if rest, ok := bytes.CutPrefix(b, []byte{0xff, 0xfe}); ok { // as PowerShell's > writes it
		units := make([]uint16, len(rest)/2)
		for i := range units {
			units[i] = binary.LittleEndian.Uint16(rest[2*i:])
		}
		b = []byte(string(utf16.Decode(units)))
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	return bytes.TrimRight(b, "\r\n")
}

// formError says where a text is not of its form.
type formError struct {
	form   string
	offset int // in bytes
	why    string
}

func (e *formError) Error() string { return fmt.Sprintf("%s, byte %d: %s", e.form, e.offset, e.why) }

// errNoForm is for what is a descriptor in no form.
var errNoForm = errors.New("this is neither SDDL, which begins with O:, G:, D: or S:, nor hex (01...), nor base64 (AQ...)")

// reading is how descriptors are read. It is not for use by several goroutines.
type reading struct {
	in      string // a form or auto
	lenient bool
	raw     bool // raw bytes may come
	aliases sddl.Aliases

	scratch []byte
}

// form recognises the form of a text. The bytes of a descriptor begin with its revision,
// 1, and so its hex begins with 0 and its base64 with A; neither has a colon, which all
// SDDL has.
func (r *reading) form(text []byte) string {
	start := bytes.TrimLeft(text, " \t\r\n")
	switch {
	case r.in != formAuto:
		return r.in
	case r.raw && len(text) > 0 && text[0] == 1:
		return formRaw
	case bytes.IndexByte(text, ':') >= 0:
		return formSDDL
	case len(start) > 0 && start[0] == '0':
		return formHex
	case len(start) > 0 && start[0] == 'A':
		return formBase64
	}
	return ""
}

// descriptor reads one, and says whether it was SDDL.
func (r *reading) descriptor(text []byte) (*sddl.Descriptor, bool, error) {
	if len(text) == 0 {
		return nil, false, errors.New("the descriptor is empty")
	}
	switch r.form(text) {
	case formSDDL:
		if !utf8.Valid(text) {
			return nil, true, &formError{"SDDL", invalidAt(text), "this is not UTF-8"}
		}
		parse := sddl.ParseText
		if r.lenient {
			parse = sddl.ParseTextLenient
		}
		d, err := parse(string(text), r.aliases)
		return d, true, err
	case formHex:
		if err := r.decodeHex(text); err != nil {
			return nil, false, err
		}
		text = r.scratch
	case formBase64:
		if err := r.decodeBase64(text); err != nil {
			return nil, false, err
		}
		text = r.scratch
	case formRaw:
	default:
		return nil, false, errNoForm
	}
	d, err := sddl.Parse(text)
	return d, false, err
}

// invalidAt is where text stops to be UTF-8.
func invalidAt(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(text)
}

func (r *reading) grow(n int) []byte {
	if cap(r.scratch) < n {
		r.scratch = make([]byte, n+n/2)
	}
	return r.scratch[:n]
}

// decodeHex decodes hex into scratch: digits in either case, with 0x before them or not,
// and blanks, line ends and hyphens between bytes, as dumps and .NET print them.
func (r *reading) decodeHex(text []byte) error {
	out := r.grow(len(text)/2 + 1)
	if n, err := hex.Decode(out, text); err == nil {
		r.scratch = out[:n]
		return nil
	}
	n, start, high := 0, 0, -1
	if bytes.HasPrefix(text, []byte("0x")) || bytes.HasPrefix(text, []byte("0X")) {
		start = 2
	}
	for i := start; i < len(text); i++ {
		digit := hexDigit(text[i])
		switch {
		case digit < 0 && high < 0 && strings.IndexByte(" \t\r\n-", text[i]) >= 0:
		case digit < 0:
			return &formError{formHex, i, fmt.Sprintf("want a hexadecimal digit, found %q", text[i:i+1])}
		case high < 0:
			high = digit
		default:
			out[n] = byte(high<<4 | digit)
			n, high = n+1, -1
		}
	}
	if high >= 0 {
		return &formError{formHex, len(text), "the last byte has one digit only"}
	}
	r.scratch = out[:n]
	return nil
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c - 'a' + 10)
	case c >= 'A' && c <= 'F':
		return int(c - 'A' + 10)
	}
	return -1
}

// decodeBase64 decodes base64 into scratch; blanks and line ends are skipped.
func (r *reading) decodeBase64(text []byte) error {
	whole := text
	if bytes.ContainsAny(text, " \t\r\n") {
		text = bytes.Join(bytes.Fields(text), nil)
	}
	out := r.grow(base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(out, text)
	if err == nil {
		r.scratch = out[:n]
		return nil
	}
	at := len(whole)
	if bad := base64.CorruptInputError(0); errors.As(err, &bad) {
		// The offset does not count what was skipped.
		skipped := int(bad)
		for at = 0; at < len(whole); at++ {
			if strings.IndexByte(" \t\r\n", whole[at]) >= 0 {
				continue
			}
			if skipped == 0 {
				break
			}
			skipped--
		}
	}
	if at == len(whole) || isBase64Digit(whole[at]) {
		return &formError{formBase64, len(whole), "the end is missing: four characters, with = at the end, are three bytes"}
	}
	return &formError{formBase64, at, fmt.Sprintf("%q does not belong here", whole[at:at+1])}
}

func isBase64Digit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '+' || c == '/'
}

// place says where in a text an error is, 0 where it is at no one place, and what it is.
func place(err error) (int, string) {
	syntax, form := (*sddl.SyntaxError)(nil), (*formError)(nil)
	switch {
	case errors.As(err, &form):
		return form.offset, form.form + ": " + form.why
	case !errors.As(err, &syntax):
		return 0, err.Error()
	case syntax.Why != "":
		if flag := missingSID(syntax); flag != "" {
			return syntax.Offset, syntax.Why + "; give it with " + flag
		}
		return syntax.Offset, syntax.Why
	case syntax.Found == "":
		return syntax.Offset, "want " + syntax.Want + ", found the end"
	}
	return syntax.Offset, fmt.Sprintf("want %s, found %q", syntax.Want, syntax.Found)
}

// missingSID is the flag that gives an alias its meaning, where that is what is missing.
func missingSID(err *sddl.SyntaxError) string {
	switch err.Lacks {
	case sddl.OfDomain:
		return "--domain-sid"
	case sddl.OfForest:
		return "--forest-sid"
	case sddl.OfMachine:
		return "--machine-sid"
	}
	return ""
}

// hint is the next step after an error.
func (r *reading) hint(in *input, text []byte, err error) string {
	if syntax := (*sddl.SyntaxError)(nil); errors.As(err, &syntax) {
		if flag := missingSID(syntax); flag != "" {
			return fmt.Sprintf("give it with %s S-1-5-21-..., or name a domain controller with --dc", flag)
		}
		if end := bytes.IndexByte(text, '\n'); end >= 0 && end <= syntax.Offset {
			return "--lines reads one descriptor a line"
		}
		if looks := (&reading{in: formAuto}).form(text); r.in == formSDDL && looks != formSDDL && looks != "" {
			return fmt.Sprintf("this looks like %s, which gmsactl sddl show reads", looks)
		}
		if !r.lenient {
			if _, err := sddl.ParseTextLenient(string(text), r.aliases); err == nil {
				return "Windows accepts this, and so does --lenient"
			}
		}
		return ""
	}
	if errors.Is(err, errNoForm) && in.text != "" {
		if _, err := os.Stat(in.text); err == nil {
			return fmt.Sprintf("for the file of this name: -f %s or @%s", in.text, in.text)
		}
		return "for a file: @FILE"
	}
	return ""
}
