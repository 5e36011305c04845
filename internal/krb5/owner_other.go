//go:build !unix

package krb5

// readOwnFile reads a file. Elsewhere the folder for temporary files is the user's own.
func readOwnFile(path string) ([]byte, error) { return readFile(path) }
