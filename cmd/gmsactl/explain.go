package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/explain"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/report"
)

func newExplain(a *app) *cobra.Command {
	var lines bool
	cmd := &cobra.Command{
		Use:   "explain ACCOUNT DN RIGHT",
		Short: "Say whether an account may do something to an object, and why",
		Long: `Explain answers one question: may ACCOUNT do RIGHT to the object DN? It names the
entry that decides, where that comes from and through which group, what stands in the
way, and the smallest change that would grant it. It writes nothing.

RIGHT is one of
  read:ATTR  write:ATTR     an attribute or a property set
  validated-write:ATTR      a write whose value the server checks
  extended:NAME             an extended right, as User-Force-Change-Password
  create:CLASS              an object of just this class, directly below DN
  delete-child:CLASS        objects of this class directly below DN
  delete  delete-tree       the object; with all that is below it
  list                      see that the object is there
  read-permissions  write-dacl  write-owner  full-control
ATTR, NAME and CLASS are an lDAPDisplayName, a cn, a display name or a GUID.

The answer is granted, denied, not-granted, partial, conditional (it depends on a
condition, which is not evaluated) or unknown. It is about permissions: a value that the
directory refuses for another reason, and a privilege, are not judged. What a capture
does not show is unknown: one that an earlier release collected shows less.

--lines reads questions from standard input, ACCOUNT, DN and RIGHT separated by tabs, one
a line, and answers each with one line of JSON in the same order. A line in error is
answered with a line that has "error".

The exit code is 0 where it is granted, 3 where it is not or not known to be, 1 for an
error; with --lines 1 where any line was in error, 3 where any was not granted.`,
		Example: `  gmsactl explain 'provAgentgMSA$' OU=Sales,OU=Sync,DC=corp,DC=example create:user --from demo
  gmsactl explain alice CN=bob,CN=Users,DC=corp,DC=example write:member --dc dc1.corp.example
  gmsactl explain --lines --from corp.ldif < questions.tsv | jq -r .effect`,
		Args: func(cmd *cobra.Command, got []string) error {
			if lines {
				return args()(cmd, got)
			}
			return args("ACCOUNT", "DN", "RIGHT")(cmd, got)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if lines {
				if a.output == "text" && cmd.Flags().Changed("output") {
					return errors.New("--lines answers in lines of JSON: it goes with -o json only")
				}
				return a.explainLines(cmd.Context())
			}
			return a.explain(cmd.Context(), args[0], args[1], args[2])
		},
	}
	cmd.Flags().BoolVar(&lines, "lines", false, "answer questions from standard input, one a line")
	return cmd
}

func (a *app) explain(ctx context.Context, account, dn, right string) error {
	// What needs no directory is said before one is asked.
	if err := explain.CheckRight(right); err != nil {
		return explainHint(err, a.connect.from, account, dn)
	}
	if !directory.LooksLikeDN(dn) {
		return explainHint(&explain.NotDNError{Text: dn}, a.connect.from, account, dn)
	}
	var x *explain.Explanation
	err := a.read(ctx, purpose{}, func(r directory.Reader) error {
		e, err := explain.New(ctx, r, a.connect.from != "")
		if err != nil {
			return err
		}
		if x, err = e.Explain(ctx, account, dn, right); err != nil {
			return explainHint(err, a.connect.from, account, dn)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := a.show(x, func() error { return report.Explanation(a.stdout, x, a.style()) }); err != nil {
		return err
	}
	return findings(x.Granted())
}

// explainHint adds the next step to errors about a question.
func explainHint(err error, from, account, dn string) error {
	var (
		right    *explain.RightError
		notDN    *explain.NotDNError
		notFound *directory.NotFoundError
		unasked  *directory.NotRecordedError
	)
	switch {
	case errors.As(err, &right), errors.As(err, &notDN):
		return &hintedError{err, "gmsactl explain --help lists the rights, with examples"}
	case errors.As(err, &unasked):
		return &hintedError{err, fmt.Sprintf("gmsactl collect '%s' --target '%s' --out FILE collects the object, its containers and the account", account, dn)}
	case errors.As(err, &notFound) && from != "":
		hint := fmt.Sprintf("the capture does not hold it; gmsactl collect '%s' --target '%s' --out FILE does", account, dn)
		if from == "demo" {
			hint = "the demo holds the containers of a small forest, OU=Sales,OU=Sync,DC=corp,DC=example for example"
		}
		return &hintedError{err, hint}
	}
	return err
}

// longestQuestion is the most bytes that one line of --lines may have.
const longestQuestion = 64 << 10

// refusal is the answer to a question in error.
type refusal struct {
	Format int    `json:"format"`
	Kind   string `json:"kind"` // ExplanationError
	Line   int    `json:"line"`
	Error  string `json:"error"`
}

// explainLines answers questions until there are no more, in their order and each as soon
// as it is asked, so that a program can ask one after another.
func (a *app) explainLines(ctx context.Context) error {
	if a.connect.passwordStdin {
		return errors.New("standard input is the password (--password-stdin) and cannot be the questions too")
	}
	r, done, err := a.reader(ctx)
	if err != nil {
		return err
	}
	defer done()
	e, err := explain.New(ctx, r, a.connect.from != "")
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(a.stdout, 1<<16)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	questions := readQuestions(ctx, a.stdin)
	asked, failed, open := 0, 0, 0
	for {
		var q question
		var more bool
		select {
		case q, more = <-questions:
		default:
			// Nothing is waiting: who asks may wait for the answer.
			if err := out.Flush(); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case q, more = <-questions:
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !more {
			break
		}
		if q.end != nil {
			return errors.Join(out.Flush(), fmt.Errorf("read standard input: %w", q.end))
		}
		asked++
		x, err := answerOne(ctx, e, q)
		switch broken := (*ldapx.ConnectionError)(nil); {
		case err == nil:
			if !x.Granted() {
				open++
			}
			err = enc.Encode(x)
		case errors.As(err, &broken), isMutualAuth(err), ctx.Err() != nil:
			return errors.Join(out.Flush(), fmt.Errorf("line %d: %w", asked, err))
		default:
			failed++
			err = enc.Encode(refusal{1, "ExplanationError", asked, oneLine(err.Error())})
		}
		if err != nil {
			return err
		}
	}
	switch err := out.Flush(); {
	case err != nil:
		return err
	case failed > 0:
		return &hintedError{fmt.Errorf("%d of %d questions are in error: those whose answer has \"error\"", failed, asked), "a question is ACCOUNT, DN and RIGHT, separated by tabs; gmsactl explain --help lists the rights"}
	}
	return findings(open == 0)
}

func answerOne(ctx context.Context, e *explain.Explainer, q question) (*explain.Explanation, error) {
	if q.tooLong {
		return nil, fmt.Errorf("the line is longer than %d bytes", longestQuestion)
	}
	fields := strings.Split(q.text, "\t")
	if len(fields) != 3 {
		return nil, fmt.Errorf("want ACCOUNT, DN and RIGHT separated by tabs, not %d fields", len(fields))
	}
	return e.Explain(ctx, fields[0], fields[1], fields[2])
}

// question is one line of standard input; end is why there are no more.
type question struct {
	text    string
	tooLong bool
	end     error
}

// readQuestions reads ahead a little. Input that never comes is left to the end of the
// process.
func readQuestions(ctx context.Context, r io.Reader) <-chan question {
	out := make(chan question, 256)
	send := func(q question) bool {
		select {
		case out <- q:
			return true
		case <-ctx.Done():
			return false
		}
	}
	go func() {
		defer close(out)
		in := bufio.NewReaderSize(r, longestQuestion)
		for {
			line, err := in.ReadSlice('\n')
			q := question{}
			if errors.Is(err, bufio.ErrBufferFull) {
				q.tooLong = true
				for errors.Is(err, bufio.ErrBufferFull) {
					_, err = in.ReadSlice('\n')
				}
			} else {
				q.text = string(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")))
			}
			if (len(line) > 0 || q.tooLong) && !send(q) {
				return
			}
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				send(question{end: err})
				return
			}
		}
	}()
	return out
}
