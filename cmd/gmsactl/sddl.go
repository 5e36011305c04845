package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gmsactl/gmsactl/internal/describe"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/report"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

func newSDDL(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sddl",
		Short: "Explain, convert and compare security descriptors",
		Long: `A descriptor is SDDL text, or its bytes in base64 or hex. It is given as an argument,
as @FILE, or as - for standard input.

Nothing is contacted unless a connection flag (--dc, --from, ...) stands on the command
line; environment variables alone do not make these commands connect.`,
		// The forms of these commands' answers are their own; each checks its -o itself.
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			return a.connect.settle(cmd)
		},
	}
	cmd.AddCommand(newSDDLShow(a), newSDDLEncode(a), newSDDLDiff(a))
	return cmd
}

// sddlFlags are what the sddl commands have in common.
type sddlFlags struct {
	domainSID, forestSID, machineSID string
	lenient                          bool
	in                               string
	file                             string
	lines                            bool
	output                           string
}

func (f *sddlFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.domainSID, "domain-sid", "", "`SID` of the domain that DA, DU and the like are of")
	flags.StringVar(&f.forestSID, "forest-sid", "", "`SID` of the forest root domain that EA, SA, RO and EK are of")
	flags.StringVar(&f.machineSID, "machine-sid", "", "`SID` of the machine that LA and LG are of; on a domain controller, of its domain")
	flags.BoolVar(&f.lenient, "lenient", false, "accept the SDDL that Windows accepts: either case, more blanks, ...")
}

func (f *sddlFlags) registerInput(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "`file` with the descriptor; the same as @FILE")
	cmd.Flags().BoolVar(&f.lines, "lines", false, "each line of the input is one descriptor and gives one line; !OFFSET WHY for one in error")
}

func (f *sddlFlags) registerIn(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.in, "in", formAuto, "`form` of the input: auto, sddl, hex, base64 or raw")
	complete(cmd, "in", inForms)
}

func (f *sddlFlags) registerOutput(cmd *cobra.Command, normal string, forms []string) {
	cmd.Flags().StringVarP(&f.output, "output", "o", normal, "`form` of the answer: "+orList(forms))
	complete(cmd, "output", forms)
}

func complete(cmd *cobra.Command, flag string, words []string) {
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// orList is words as in: a, b or c.
func orList(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (f *sddlFlags) check(forms []string) error {
	switch {
	case !slices.Contains(forms, f.output):
		return fmt.Errorf("--output %q: want %s", f.output, orList(forms))
	case !slices.Contains(inForms, f.in):
		return fmt.Errorf("--in %q: want %s", f.in, orList(inForms))
	}
	_, err := f.aliases()
	return err
}

// aliases are the SIDs of the flags. None of them stands for another: in a forest of
// several domains a guess would name the group of another domain.
func (f *sddlFlags) aliases() (sddl.Aliases, error) {
	var out sddl.Aliases
	for _, flag := range []struct {
		name, text string
		at         *sddl.SID
	}{{"--domain-sid", f.domainSID, &out.Domain}, {"--forest-sid", f.forestSID, &out.Forest}, {"--machine-sid", f.machineSID, &out.Machine}} {
		if flag.text == "" {
			continue
		}
		sid, err := sddl.ParseSID(flag.text)
		if err != nil {
			return out, fmt.Errorf("%s: %w", flag.name, err)
		}
		// The SID of a domain or machine, not of an account of it. [MS-DTYP] 2.4.2.4.
		if text := sid.String(); !strings.HasPrefix(text, "S-1-5-21-") || strings.Count(text, "-") != 6 {
			return out, fmt.Errorf("%s %q: want the SID of a domain, S-1-5-21 and three numbers", flag.name, flag.text)
		}
		*flag.at = sid
	}
	return out, nil
}

// hintedError is an error with its next step.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

var showForms = []string{"text", "sddl", "hex", "base64", "json"}

func newSDDLShow(a *app) *cobra.Command {
	var f sddlFlags
	cmd := &cobra.Command{
		Use:   "show [TEXT|@FILE|-]",
		Short: "Explain a security descriptor, or convert it",
		Long: `Show explains a security descriptor: owner, group, control flags, and each entry in
words and in SDDL. Words are those of directory objects. With -o it converts instead.

The descriptor is SDDL, base64 or hex, or raw bytes in a file or on standard input; its
form is recognised, or as --in says. GUIDs get their names from the base schema, and with
a connection flag (--dc, --from, ...) from the directory, which also names accounts and
gives the aliases of SIDs their meaning. Without such a flag nothing is contacted.

With --lines each line of standard input (or of the file) is one descriptor and gives
exactly one line in the form of -o. A line that is none gives ! and the offset of the
byte in it that is wrong, a blank, and why. The exit code is 1 if there was such a line.`,
		Example: `  gmsactl sddl show 'D:PAI(A;;GA;;;DA)' --domain-sid S-1-5-21-1004336348-1177238915-682003330
  gmsactl sddl show -f descriptor.bin -o sddl
  ldapsearch ... | sed -n 's/^nTSecurityDescriptor:: //p' | gmsactl sddl show --lines -o sddl`,
		Args: args("[TEXT|@FILE|-]"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.sddlShow(cmd, args, &f) },
	}
	f.register(cmd.Flags())
	f.registerInput(cmd)
	f.registerIn(cmd)
	f.registerOutput(cmd, "text", showForms)
	return cmd
}

func (a *app) sddlShow(cmd *cobra.Command, args []string, f *sddlFlags) error {
	if err := f.check(showForms); err != nil {
		return err
	}
	if f.lines && f.output == "text" {
		return errors.New("--lines needs -o sddl, hex, base64 or json: text is more than one line")
	}
	in, err := a.sddlInput(cmd, args, f)
	if err != nil {
		return err
	}
	known, err := a.known(cmd, f, f.output == "text" || f.output == "json")
	if err != nil {
		return err
	}
	defer known.done()
	if f.lines {
		return a.sddlLines(cmd.Context(), in, f, known.Context)
	}
	d, _, err := a.readDescriptor(cmd.Context(), in, f, known.Aliases)
	if err != nil {
		return err
	}
	if f.output != "text" && f.output != "json" {
		return a.writeForm(d, f.output, known.Aliases)
	}
	if err := known.lookUp(cmd.Context(), d); err != nil {
		return err
	}
	shown, err := describe.New(d, known.Context)
	if err != nil {
		return err
	}
	if f.output == "json" {
		return report.JSON(a.stdout, shown)
	}
	return report.Descriptor(a.stdout, shown, a.style())
}

var encodeForms = []string{"base64", "hex", "raw"}

func newSDDLEncode(a *app) *cobra.Command {
	f := sddlFlags{in: formSDDL}
	cmd := &cobra.Command{
		Use:   "encode [TEXT|@FILE|-]",
		Short: "Turn SDDL into the bytes of a security descriptor",
		Long: `Encode reads SDDL and prints the bytes that Windows makes of it: header, SACL, DACL,
owner, group, in base64 or hex, or raw.

With --lines each line of standard input (or of the file) is one descriptor and gives
exactly one line. A line that is none gives ! and the offset of the byte in it that is
wrong, a blank, and why. The exit code is 1 if there was such a line.`,
		Example: `  gmsactl sddl encode 'O:SYG:SYD:(A;;GA;;;SY)'
  gmsactl sddl encode --lines -o hex < descriptors.txt`,
		Args: args("[TEXT|@FILE|-]"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.sddlEncode(cmd, args, &f) },
	}
	f.register(cmd.Flags())
	f.registerInput(cmd)
	f.registerOutput(cmd, "base64", encodeForms)
	return cmd
}

func (a *app) sddlEncode(cmd *cobra.Command, args []string, f *sddlFlags) error {
	// GMSACTL_OUTPUT is about reports, which bytes are none of.
	if !cmd.Flags().Changed("output") {
		f.output = "base64"
	}
	if err := f.check(encodeForms); err != nil {
		return err
	}
	switch {
	case f.output == "raw" && f.lines:
		return errors.New("--lines needs -o base64 or hex: raw bytes are no line")
	case f.output == "raw" && isTerminal(a.stdout):
		return &hintedError{errors.New("-o raw would write bytes to the terminal"), "send standard output to a file or a pipe, or use -o base64 or -o hex"}
	}
	in, err := a.sddlInput(cmd, args, f)
	if err != nil {
		return err
	}
	known, err := a.known(cmd, f, false)
	if err != nil {
		return err
	}
	defer known.done()
	if f.lines {
		return a.sddlLines(cmd.Context(), in, f, known.Context)
	}
	d, _, err := a.readDescriptor(cmd.Context(), in, f, known.Aliases)
	if err != nil {
		return err
	}
	return a.writeForm(d, f.output, known.Aliases)
}

// writeForm writes a descriptor in a form other than text and JSON.
func (a *app) writeForm(d *sddl.Descriptor, form string, aliases sddl.Aliases) error {
	out, err := appendForm(nil, d, form, aliases, nil)
	if err != nil {
		return err
	}
	if form == formSDDL && isTerminal(a.stdout) {
		// Names in conditions may hold what a terminal would obey; elsewhere every byte counts.
		out = []byte(report.Printable(string(out)))
	}
	if form != formRaw {
		out = append(out, '\n')
	}
	_, err = a.stdout.Write(out)
	return err
}

// appendForm appends a descriptor in a form other than text and JSON to dst. The bytes
// are put together in scratch, which may be nil.
func appendForm(dst []byte, d *sddl.Descriptor, form string, aliases sddl.Aliases, scratch *[]byte) ([]byte, error) {
	if form == formSDDL {
		return d.AppendText(dst, aliases), nil
	}
	if scratch == nil {
		scratch = new([]byte)
	}
	b, err := d.Append((*scratch)[:0])
	*scratch = b
	if err != nil {
		return dst, err
	}
	switch form {
	case formHex:
		return hex.AppendEncode(dst, b), nil
	case formBase64:
		return base64.StdEncoding.AppendEncode(dst, b), nil
	}
	return append(dst, b...), nil
}

func newSDDLDiff(a *app) *cobra.Command {
	var f sddlFlags
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Say in what two security descriptors differ",
		Long: `Diff compares two security descriptors: owner, group, control flags and entries, those
only in A (-), those only in B (+) and those that stand elsewhere among the others (~).
Each is TEXT, @FILE or -, one of them at most -, and each in a form of its own: SDDL,
base64, hex, or raw bytes.

Where one of them is SDDL, what SDDL cannot say is not compared, and the answer says so.

The exit code is 0 where they are the same, 3 where they differ.`,
		Example: `  gmsactl sddl diff 'D:(A;;GA;;;SY)' 'D:P(A;;GA;;;SY)(A;;GR;;;AU)'
  gmsactl sddl diff @before.bin @after.bin`,
		Args: args("A", "B"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.sddlDiff(cmd, args, &f) },
	}
	f.register(cmd.Flags())
	f.registerIn(cmd)
	f.registerOutput(cmd, "text", diffForms)
	return cmd
}

var diffForms = []string{"text", "json"}

func (a *app) sddlDiff(cmd *cobra.Command, args []string, f *sddlFlags) error {
	// GMSACTL_OUTPUT may name a form that only show has.
	if !cmd.Flags().Changed("output") && f.output != "json" {
		f.output = "text"
	}
	if err := f.check(diffForms); err != nil {
		return err
	}
	if args[0] == "-" && args[1] == "-" {
		return errors.New("both A and B are -: standard input can be read once")
	}
	var from [2]*input
	for i := range from {
		var err error
		if from[i], err = a.sddlInput(cmd, args[i:i+1], f); err != nil {
			return err
		}
		from[i].name = string("AB"[i]) + " (" + from[i].name + ")"
	}
	known, err := a.known(cmd, f, true)
	if err != nil {
		return err
	}
	defer known.done()
	var d [2]*sddl.Descriptor
	fromText := false
	for i := range d {
		var isText bool
		if d[i], isText, err = a.readDescriptor(cmd.Context(), from[i], f, known.Aliases); err != nil {
			return err
		}
		fromText = fromText || isText
	}
	if err := known.lookUp(cmd.Context(), d[:]...); err != nil {
		return err
	}
	diff, err := describe.Compare(d[0], d[1], fromText, known.Context)
	if err != nil {
		return err
	}
	if f.output == "json" {
		err = report.JSON(a.stdout, diff)
	} else {
		err = report.Difference(a.stdout, diff, a.style())
	}
	if err != nil {
		return err
	}
	return findings(diff.Same)
}

// known is what flags and, where one is named, the directory say about SIDs and GUIDs.
type known struct {
	describe.Context
	reader directory.Reader
	domain *directory.Domain
	done   func()
	names  map[sddl.SID]string
}

// known asks the directory only where a connection flag stands on the command line: who
// has GMSACTL_DC set for other commands does not expect show to send anything. The
// schema takes a while and is read only for its names.
func (a *app) known(cmd *cobra.Command, f *sddlFlags, names bool) (*known, error) {
	aliases, err := f.aliases()
	if err != nil {
		return nil, err
	}
	k := &known{Context: describe.Context{Aliases: aliases}, done: func() {}}
	if !slices.ContainsFunc(connectionFlags(), cmd.Flags().Changed) {
		return k, nil
	}
	if k.reader, k.done, err = a.reader(cmd.Context()); err != nil {
		return nil, err
	}
	if err := k.load(cmd.Context(), names); err != nil {
		k.done()
		return nil, err
	}
	return k, nil
}

// connectionFlags are the names of the flags that say where the directory is and who asks.
func connectionFlags() []string {
	var names []string
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(connection).register(flags)
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

func (k *known) load(ctx context.Context, names bool) error {
	var err error
	if k.domain, err = directory.LoadDomain(ctx, k.reader); err != nil {
		return err
	}
	// What stands on the command line is meant. On a domain controller the machine's
	// accounts are the domain's. [MS-DTYP] 2.5.1.1.
	for _, sid := range []struct {
		at   *sddl.SID
		from sddl.SID
	}{{&k.Aliases.Domain, k.domain.SID}, {&k.Aliases.Forest, k.domain.ForestSID}, {&k.Aliases.Machine, k.domain.SID}} {
		if sid.at.IsZero() {
			*sid.at = sid.from
		}
	}
	if !names {
		return nil
	}
	schema, err := directory.LoadSchema(ctx, k.reader, k.domain)
	if err != nil {
		return err
	}
	k.GUID = schema.NameOf
	k.names = map[sddl.SID]string{}
	k.SID = func(s sddl.SID) string { return k.names[s] }
	return nil
}

// lookUp asks the directory for the names of all SIDs of descriptors.
func (k *known) lookUp(ctx context.Context, descriptors ...*sddl.Descriptor) error {
	if k.names == nil {
		return nil
	}
	var sids []sddl.SID
	seen := map[sddl.SID]bool{}
	add := func(s sddl.SID) {
		// Only what the domain issued has its name in the domain.
		if !seen[s] && s.Domain() == k.domain.SID {
			sids = append(sids, s)
		}
		seen[s] = true
	}
	for _, d := range descriptors {
		add(d.Owner)
		add(d.Group)
		for _, l := range []*sddl.ACL{d.DACL, d.SACL} {
			if l != nil {
				for _, ace := range l.ACEs {
					add(ace.SID)
				}
			}
		}
	}
	const atOnce = 50
	for chunk := range slices.Chunk(sids, atOnce) {
		q := directory.Query{Base: k.domain.DN, Scope: directory.Subtree, Attrs: []string{"objectSid", "sAMAccountName"}}
		for _, sid := range chunk {
			q.Any = append(q.Any, directory.Match{Attr: "objectSid", Value: string(sid.Bytes())})
		}
		for e, err := range k.reader.Read(ctx, q) {
			if err != nil {
				return fmt.Errorf("read the names of accounts: %w", err)
			}
			sid, err := sddl.ParseSIDBytes(e.Value("objectSid"))
			if name := e.Text("sAMAccountName"); err == nil && name != "" {
				k.names[sid] = k.domain.Qualified(name)
			}
		}
	}
	return nil
}

// readDescriptor reads the one descriptor of an input, and says whether it was SDDL.
func (a *app) readDescriptor(ctx context.Context, in *input, f *sddlFlags, aliases sddl.Aliases) (*sddl.Descriptor, bool, error) {
	text, err := in.all(ctx)
	if err != nil {
		return nil, false, err
	}
	r := reading{in: f.in, lenient: f.lenient, aliases: aliases, raw: true}
	d, isText, err := r.descriptor(text)
	if err != nil {
		return nil, false, &hintedError{fmt.Errorf("%s: %w", in.name, err), r.hint(in, text, err)}
	}
	return d, isText, nil
}
