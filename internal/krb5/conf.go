package krb5

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Conf is what krb5.conf files say of realms and of the default credential cache. Nothing in it is an
// error: what is unknown or malformed is as if it were not there, for other programs read
// the same files and a bind must not depend on what is meant for them. The zero value says
// nothing.
type Conf struct {
	relations []relation
}

// relation is one "name = value", with the sections around it in front of its name.
type relation struct {
	path  []string
	value string
}

// The limits of what is read.
const (
	maxConfFile    = 1 << 20
	maxConfFiles   = 256
	maxConfInclude = 8  // how deep files include files
	maxConfNesting = 16 // how deep braces are in braces
	maxConf        = 1 << 16
)

// ReadConf reads the files that KRB5_CONFIG lists, or the system's krb5.conf without it.
// Of a relation that is there twice the first counts.
// https://web.mit.edu/kerberos/krb5-latest/doc/admin/conf_files/krb5_conf.html
func ReadConf() *Conf {
	list := os.Getenv("KRB5_CONFIG")
	if list == "" {
		list = systemConf
	}
	p := confParser{read: readConfFile, list: listConfDir}
	for _, path := range filepath.SplitList(list) {
		p.file(path, 0)
	}
	return &p.conf
}

func readConfFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxConfFile {
		return nil, os.ErrInvalid
	}
	return os.ReadFile(path)
}

func listConfDir(path string) ([]string, error) {
	entries, err := os.ReadDir(path) // sorted
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// confParser reads files into a Conf. Files and folders come by its functions.
type confParser struct {
	read  func(path string) ([]byte, error)
	list  func(path string) ([]string, error)
	files int
	conf  Conf
	final map[string]bool // paths that nothing later adds to
}

func (p *confParser) file(path string, depth int) {
	if depth > maxConfInclude || p.files >= maxConfFiles {
		return
	}
	p.files++
	b, err := p.read(path)
	if err != nil {
		return
	}
	p.parse(string(b), depth)
}

func (p *confParser) dir(path string, depth int) {
	names, err := p.list(path)
	if err != nil {
		return
	}
	for _, name := range names {
		if includes(name) {
			p.file(filepath.Join(path, name), depth)
		}
	}
}

// includes says whether includedir takes a file of this name.
func includes(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	return strings.HasSuffix(name, ".conf") || strings.IndexFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}) < 0
}

// parse reads one file. An included file starts outside all sections, and the one that
// includes it goes on in its own.
func (p *confParser) parse(text string, depth int) {
	var (
		path   []string // the section, and the names whose braces are open in it
		finals []string // what nothing later adds to, once the section ends
		unread int      // braces that are open beyond those of path
		opener string   // a name whose brace may be on the next line
	)
	end := func() {
		for _, f := range finals {
			p.close(f)
		}
		path, finals, unread = nil, nil, 0
	}
	defer end()
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if word, rest, _ := cutSpace(line); !strings.HasPrefix(rest, "=") {
			switch word {
			case "include":
				p.file(unquote(rest), depth+1)
				continue
			case "includedir":
				p.dir(unquote(rest), depth+1)
				continue
			}
		}
		if line[0] == '[' {
			end()
			if name, after, ok := strings.Cut(line[1:], "]"); ok {
				path = []string{strings.TrimSpace(name)}
				if strings.HasPrefix(after, "*") {
					finals = append(finals, key(path))
				}
			}
			continue
		}
		if len(path) == 0 {
			continue
		}
		if line[0] == '}' {
			switch {
			case unread > 0:
				unread--
			case len(path) > 1:
				if strings.HasPrefix(line, "}*") {
					finals = append(finals, key(path))
				}
				path = path[:len(path)-1]
			}
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if line == "{" {
			name, value, ok = opener, line, true
		}
		opener = ""
		final := strings.HasSuffix(name, "*")
		name = strings.TrimSpace(strings.TrimSuffix(name, "*"))
		switch {
		case ok && value == "{":
			if unread > 0 || name == "" || len(path) == maxConfNesting {
				unread++
				continue
			}
			path = append(slices.Clip(path), name)
			if final {
				finals = append(finals, key(path))
			}
		case ok && value == "":
			opener = name
		case ok && name != "" && unread == 0 && len(p.conf.relations) < maxConf:
			full := append(slices.Clone(path), name)
			if p.closed(full) {
				continue
			}
			if final {
				p.close(key(full))
			}
			p.conf.relations = append(p.conf.relations, relation{full, unquote(value)})
		}
	}
}

// closed says whether a path, or one that it is in, takes no more.
func (p *confParser) closed(path []string) bool {
	for i := range path {
		if p.final[key(path[:i+1])] {
			return true
		}
	}
	return false
}

func (p *confParser) close(path string) {
	if p.final == nil {
		p.final = map[string]bool{}
	}
	p.final[path] = true
}

func key(path []string) string { return strings.ToLower(strings.Join(path, "\x00")) }

func cutSpace(line string) (word, rest string, ok bool) {
	i := strings.IndexAny(line, " \t")
	if i < 0 {
		return line, "", false
	}
	return line[:i], strings.TrimSpace(line[i:]), true
}

// unquote takes the quotes off a value, and what is escaped in them.
func unquote(value string) string {
	if len(value) == 0 || value[0] != '"' {
		return value
	}
	var b strings.Builder
	for i := 1; i < len(value) && value[i] != '"'; i++ {
		c := value[i]
		if c == '\\' && i+1 < len(value) {
			i++
			switch c = value[i]; c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			case 'b':
				c = '\b'
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

// all is every value of a relation. Names are compared without regard to case: realms of
// domain controllers are.
func (c *Conf) all(path ...string) []string {
	var values []string
	for _, r := range c.relations {
		if slices.EqualFunc(r.path, path, strings.EqualFold) {
			values = append(values, r.value)
		}
	}
	return values
}

func (c *Conf) first(path ...string) string {
	for _, v := range c.all(path...) {
		if v != "" {
			return v
		}
	}
	return ""
}

// KDCs is the KDCs of a realm as host:port, in the order in which they are to be asked.
func (c *Conf) KDCs(realm string) []string {
	var kdcs []string
	for _, kind := range []string{"kdc", "primary_kdc", "master_kdc"} {
		for _, value := range c.all("realms", realm, kind) {
			for _, one := range strings.Fields(value) {
				if address := kdcAddress(one); address != "" && !slices.Contains(kdcs, address) {
					kdcs = append(kdcs, address)
				}
			}
		}
	}
	return kdcs
}

// kdcAddress is a KDC's host:port; empty for one that is not asked over TCP.
func kdcAddress(s string) string {
	// As MIT has it, tcp/host; as Heimdal, the same. An https:// URL is a proxy, which
	// speaks another protocol.
	if kind, rest, ok := strings.Cut(s, "/"); ok {
		if !strings.EqualFold(kind, "tcp") {
			return ""
		}
		s = rest
	}
	if net.ParseIP(strings.Trim(s, "[]")) != nil {
		return net.JoinHostPort(strings.Trim(s, "[]"), "88")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, "88"
	}
	if host == "" || port == "" || strings.Trim(port, "0123456789") != "" ||
		strings.ContainsAny(host, "/[]:, ") && net.ParseIP(host) == nil {
		return ""
	}
	return net.JoinHostPort(host, port)
}

// Realm is the realm of a host by [domain_realm]: of the host itself, or else of the longest
// domain that it is in. It is empty where none is said.
func (c *Conf) Realm(host string) string {
	host = strings.TrimSuffix(host, ".")
	if realm := c.first("domain_realm", host); realm != "" {
		return realm
	}
	for rest := host; ; {
		_, domain, ok := strings.Cut(rest, ".")
		if !ok {
			return ""
		}
		for _, name := range []string{"." + domain, domain} {
			if realm := c.first("domain_realm", name); realm != "" {
				return realm
			}
		}
		rest = domain
	}
}

// DefaultCCache is the name of the credential cache that is used where none is given; empty
// where none is said, or where it has parts that this package does not know.
func (c *Conf) DefaultCCache() string {
	name := c.first("libdefaults", "default_ccache_name")
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(name, "%{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		token, rest, ok := strings.Cut(after, "}")
		value, known := expand(token)
		if !ok || !known {
			return ""
		}
		b.WriteString(value)
		name = rest
	}
}
