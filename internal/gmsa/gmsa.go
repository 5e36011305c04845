// Package gmsa knows group managed service accounts: what their names may be, where they go,
// who may have their password, who can take them over, and what they ought to be. It reads
// through a directory.Reader and writes nothing.
package gmsa
