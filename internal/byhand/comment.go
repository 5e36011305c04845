package byhand

import "strings"

// commentWidth is how wide a line of a comment may be. A line longer than cmd.exe takes would be two to it.
const commentWidth = 80

// PowerShellComment is a text as lines that PowerShell takes for nothing, whatever it says and in whatever code page.
func PowerShellComment(text string) []string { return comments("# ", text, harmless) }

// DsaclsComment is a text as lines that cmd.exe takes for nothing, and that run nothing where
// somebody pastes them into PowerShell, to which rem is no comment. What a shell could take
// for something is left out, or another character stands for it.
func DsaclsComment(text string) []string {
	return comments("rem ", text, func(word string) string {
		return strings.Map(func(r rune) rune {
			switch {
			case strings.ContainsRune("({<", r):
				return '['
			case strings.ContainsRune(")}>", r):
				return ']'
			case r == ';':
				return ','
			case strings.ContainsRune("\"'`&|^%!$@#", r):
				return -1
			}
			return r
		}, harmless(word))
	})
}

func comments(mark, text string, plain func(string) string) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		word = plain(word)
		if word == "" {
			continue
		}
		switch {
		case line == "":
			line = mark + word
		case len(line)+1+len(word) > commentWidth:
			lines = append(lines, line)
			line = mark + "  " + word
		default:
			line += " " + word
		}
		for len(line) > commentWidth {
			lines = append(lines, line[:commentWidth])
			line = mark + "  " + line[commentWidth:]
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
