package policy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// page is the documentation of the language, and the examples in it.
func page(t *testing.T) (text string, examples []string) {
	t.Helper()
	read, err := os.ReadFile(filepath.Join("..", "..", "docs", "policies.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range yamlBlock.FindAllStringSubmatch(string(read), -1) {
		examples = append(examples, m[1])
	}
	return string(read), examples
}

// Every example is a policy or rules of one, which Parse and editors take.
func TestExamplesOfTheDocumentation(t *testing.T) {
	_, examples := page(t)
	if len(examples) < 10 {
		t.Fatalf("only %d examples", len(examples))
	}
	s, editor := demoSchema(t), compiledSchema(t)
	for _, text := range examples {
		if !strings.Contains(text, "name: ") || strings.HasPrefix(text, "- ") {
			text = header + text
		}
		p, err := Parse("policies.md", []byte(text))
		if err != nil {
			t.Errorf("%v\n%s", err, text)
			continue
		}
		if err := validate(t, editor, []byte(text)); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
		bound, err := p.Bind(nil)
		if err != nil {
			t.Errorf("%v\n%s", err, text)
			continue
		}
		if _, err := bound.Resolve(s); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// Every key stands in an example, and every word of the language on the page.
func TestDocumentationIsWhole(t *testing.T) {
	text, examples := page(t)
	all := strings.Join(examples, "\n")
	for _, of := range languageTypes {
		for _, f := range fieldsOf(of) {
			if f.key == "place" {
				continue // its long form is in the text
			}
			if !regexp.MustCompile(`(?m)(?:^|[\s{-])` + regexp.QuoteMeta(f.key) + `:`).MatchString(all) {
				t.Errorf("no example of key %s of %s", f.key, of.Name())
			}
		}
	}
	words := slices.Concat(RightName("").words(), ScopeName("").words(), PlaceName("").words(), Severity("").words(), Verification("").words(), ParameterKind("").words())
	for _, name := range Known {
		words = append(words, "${"+name+"}")
	}
	for _, w := range words {
		if !strings.Contains(text, "`"+w+"`") {
			t.Errorf("nothing about %s", w)
		}
	}
}
