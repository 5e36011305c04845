package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// echo answers a line with itself, and one that begins with ? with an error.
func echo() lineFunc {
	return func(dst, line []byte) ([]byte, error) {
		if bytes.HasPrefix(line, []byte("?")) {
			// What a failing conversion has written is not part of the answer.
			return append(dst, "half an answer"...), fmt.Errorf("no %s", line[1:])
		}
		return append(append(append(dst, '['), line...), ']'), nil
	}
}

// random reads so many bytes at a time as it likes.
type random struct {
	r   io.Reader
	rnd *rand.Rand
	max int
}

func (r *random) Read(b []byte) (int, error) {
	return r.r.Read(b[:min(len(b), 1+r.rnd.IntN(r.max))])
}

func TestLines(t *testing.T) {
	const longest = 1000
	long := strings.Repeat("x", longest)
	tooLong := "!0 the line is longer than 1000 bytes\n"
	for _, c := range []struct {
		name, in, want string
		lines, failed  int
	}{
		{"nothing", "", "", 0, 0},
		{"one line", "a\n", "[a]\n", 1, 0},
		{"a last line without its end", "a\nb", "[a]\n[b]\n", 2, 0},
		{"an empty line is a line", "\n\na\n\n", "[]\n[]\n[a]\n[]\n", 4, 0},
		{"line ends of Windows", "a\r\n\r\nb\r", "[a]\n[]\n[b]\n", 3, 0},
		{"a CR that is no line end", "a\rb\n", "[a\rb]\n", 1, 0},
		{"errors between answers", "a\n?b\nc\n?d", "[a]\n!0 no b\n[c]\n!0 no d\n", 4, 2},
		{"an error of several lines, or that a terminal would obey", "?\x1b[1m\n", "!0 no \\x1b[1m\n", 1, 1},
		{"the longest line", long + "\nb\n", "[" + long + "]\n[b]\n", 2, 0},
		{"a line that is longer", "a\n" + long + "y\nb\n", "[a]\n" + tooLong + "[b]\n", 3, 1},
		{"a line that is much longer", "a\n" + strings.Repeat(long, 2000) + "\nb\n?c\n", "[a]\n" + tooLong + "[b]\n!0 no c\n", 4, 2},
		{"two of them", strings.Repeat(strings.Repeat(long, 500)+"\n", 2), tooLong + tooLong, 2, 2},
		{"one that never ends", "a\n" + strings.Repeat(long, 2000), "[a]\n" + tooLong, 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			readers := []func(io.Reader) io.Reader{
				func(r io.Reader) io.Reader { return r },
				iotest.HalfReader, iotest.DataErrReader,
				func(r io.Reader) io.Reader { return &random{r, rnd, 3} },
				func(r io.Reader) io.Reader { return &random{r, rnd, 100_000} },
			}
			for i, reader := range readers {
				var out bytes.Buffer
				l := liner{workers: 1 + i%3, longest: longest, convert: echo}
				lines, failed, err := l.run(t.Context(), reader(strings.NewReader(c.in)), &out)
				if err != nil || lines != c.lines || failed != c.failed {
					t.Errorf("reader %d: %d lines, %d failed, error %v; want %d and %d", i, lines, failed, err, c.lines, c.failed)
				}
				if out.String() != c.want {
					t.Errorf("reader %d: %.200q, want %.200q", i, out.String(), c.want)
				}
			}
		})
	}
}

// Many lines on several processors come in their order.
func TestLinesKeepTheirOrder(t *testing.T) {
	const n = 200_000
	var in, want, out bytes.Buffer
	for i := range n {
		fmt.Fprintf(&in, "%d%s\n", i, strings.Repeat("-", i%97))
		fmt.Fprintf(&want, "[%d%s]\n", i, strings.Repeat("-", i%97))
	}
	l := liner{workers: 8, longest: maxText, convert: echo}
	lines, failed, err := l.run(t.Context(), &random{&in, rand.New(rand.NewPCG(3, 4)), 50_000}, &out)
	if err != nil || lines != n || failed != 0 {
		t.Fatalf("%d lines, %d failed, error %v", lines, failed, err)
	}
	if !bytes.Equal(out.Bytes(), want.Bytes()) {
		t.Error("the answers are not the lines in their order")
	}
}

// A program that asks line by line gets each answer before it asks again.
func TestLinesAnswerAtOnce(t *testing.T) {
	questions, ask := io.Pipe()
	answer, answers := io.Pipe()
	l := liner{workers: 4, longest: maxText, convert: echo}
	go func() {
		_, _, err := l.run(t.Context(), questions, answers)
		answers.CloseWithError(err)
	}()
	got := bufio.NewReader(answer)
	for _, line := range []string{"a", "?b", "", "c"} {
		if _, err := io.WriteString(ask, line+"\n"); err != nil {
			t.Fatal(err)
		}
		if text, err := got.ReadString('\n'); err != nil || !strings.Contains(text, strings.TrimPrefix(line, "?")) {
			t.Fatalf("asked %q, got %q, %v", line, text, err)
		}
	}
	ask.Close()
	if rest, err := io.ReadAll(got); err != nil || len(rest) > 0 {
		t.Errorf("and then %q, %v", rest, err)
	}
}

func TestLinesEnd(t *testing.T) {
	l := liner{workers: 2, longest: maxText, convert: echo}
	broken := errors.New("broken")
	var out bytes.Buffer
	if lines, _, err := l.run(t.Context(), io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), &out); err != broken || lines != 2 {
		t.Errorf("an input that breaks: %d lines, %v", lines, err)
	}
	_, writer := io.Pipe()
	writer.CloseWithError(broken)
	if _, _, err := l.run(t.Context(), &endless{}, writer); err == nil {
		t.Error("an output that breaks is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	silent, _ := io.Pipe()
	ended := make(chan error)
	go func() {
		_, _, err := l.run(ctx, silent, io.Discard)
		ended <- err
	}()
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("an interrupt waits for the input")
	}
}

// An interrupt does not wait for a descriptor that never comes.
func TestInterruptWithoutInput(t *testing.T) {
	for _, args := range [][]string{{"sddl", "show"}, {"sddl", "encode", "--lines"}, {"sddl", "diff", "-", "D:"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		silent, _ := io.Pipe()
		if code := (&app{stdin: silent, stdout: io.Discard, stderr: io.Discard}).run(ctx, args); code != exitInterrupted {
			t.Errorf("%v: exit code %d, want %d", args, code, exitInterrupted)
		}
		cancel()
	}
}

type endless struct{}

func (*endless) Read(b []byte) (int, error) { return copy(b, "line\n"), nil }

// One line is one line: a line end within SDDL is not passed on.
func TestLineEndWithinSDDL(t *testing.T) {
	d, err := sddl.ParseText("D:(XA;;RP;;;WD;(@User.Title == \"a\nb\"))", sddl.Aliases{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := appendForm(nil, d, formHex, sddl.Aliases{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for form, want := range map[string]string{
		formSDDL: "!0 its SDDL has a line end in it, so that it is not one line; -o json can say it\n",
		formHex:  string(b) + "\n",
	} {
		var stdout, stderr bytes.Buffer
		a := &app{stdin: bytes.NewReader(append(b, '\n')), stdout: &stdout, stderr: &stderr}
		a.run(t.Context(), []string{"sddl", "show", "--lines", "-o", form})
		if stdout.String() != want {
			t.Errorf("%s: %q, want %q", form, stdout.String(), want)
		}
	}
}

// A text that a Windows shell has redirected is UTF-16.
func TestPlainText(t *testing.T) {
	wide := func(text string) []byte { return []byte(sddl.EncodeWide(text)) }
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"text", []byte("O:SY"), "O:SY"},
		{"line ends", []byte("O:SY\r\n\n"), "O:SY"},
		{"blanks stay", []byte("O:SY \n"), "O:SY "},
		{"UTF-8 with a mark", []byte("\ufeffO:SY\n"), "O:SY"},
		{"UTF-16", wide("\ufeffO:SY\r\n"), "O:SY"},
		{"UTF-16 of an odd length", append(wide("\ufeffO:SY"), 'x'), "O:SY"},
		{"bytes end as they end", []byte("\x01\x00\n"), "\x01\x00\n"},
		{"nothing", nil, ""},
	} {
		if got := plainText(c.in); string(got) != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Whatever is given as a descriptor, it is one or an error at a place in it, and what is
// one gives the same bytes in every form.
func FuzzReading(f *testing.F) {
	for _, seed := range []string{
		"", "D:(A;;GA;;;SY)", "o:sy", "O:DA", "01000480", "0x01-00", "AQAEgBQAAAAAAAAAAAAAAAAAAAABAQAAAAAABRIAAAA=", "AQ =\n", "\x01\x00\x04\x80",
		"010004800000000000000000000000001400000002001c00010000000000140000000010010100000000000512000000", "D:(XA;;RP;;;WD;(@User.\xff))",
	} {
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, lenient bool) {
		r := reading{in: formAuto, lenient: lenient, raw: true}
		d, _, err := r.descriptor(text)
		if err != nil {
			if at, why := place(err); at < 0 || at > len(text) || why == "" {
				t.Fatalf("%q: %v, which is at %d", text, err, at)
			}
			r.hint(&input{}, text, err)
			return
		}
		raw, err := appendForm(nil, d, formRaw, sddl.Aliases{}, nil)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		// What is read strictly means the same where Windows is followed.
		if strict, err := sddl.ParseText(string(text), sddl.Aliases{}); lenient && err == nil {
			if got, err := strict.Append(nil); err != nil || !bytes.Equal(got, raw) {
				t.Fatalf("%q: strictly %x, %v; leniently %x", text, got, err, raw)
			}
		}
		for _, form := range []string{formHex, formBase64, formRaw} {
			b, err := appendForm(nil, d, form, sddl.Aliases{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := (&reading{in: formAuto, raw: true}).descriptor(b)
			if err != nil {
				t.Fatalf("%s: %v", form, err)
			}
			if got, err := again.Append(nil); err != nil || !bytes.Equal(got, raw) {
				t.Fatalf("%s: %x, %v; want %x", form, got, err, raw)
			}
		}
	})
}

// BenchmarkLines is the throughput of --lines in lines of 218 bytes of SDDL.
func BenchmarkLines(b *testing.B) {
	const line = "O:DAG:SYD:PAI(A;;GA;;;SY)(OA;CIIO;RPWP;bf9679c0-0de6-11d0-a285-00aa003049e2;bf967a9c-0de6-11d0-a285-00aa003049e2;S-1-5-21-1004336348-1177238915-682003330-1105)(A;;LCRPLORC;;;AU)(A;CIID;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;DA)\n"
	const n = 10_000
	in := strings.Repeat(line, n)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		a := &app{stdin: strings.NewReader(in), stdout: io.Discard, stderr: io.Discard}
		if code := a.run(b.Context(), []string{"sddl", "encode", "--lines", "--domain-sid", "S-1-5-21-1004336348-1177238915-682003330"}); code != exitOK {
			b.Fatal(code)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/line")
}
