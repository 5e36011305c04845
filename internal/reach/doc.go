// Package reach looks at every object that exists at and below the targets of an audit: where
// the account really has what the policies ask for, why not where it has not, and what it
// may do beyond them. Objects are streamed; what is held is distinct descriptors and the
// containers, not objects. It reads through a directory.Reader and never writes.
package reach
