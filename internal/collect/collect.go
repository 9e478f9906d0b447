// Package collect is the contract of sources: they bring provider-native documents, one at a time, and interpret nothing.
package collect

import (
	"context"

	"github.com/demarc/demarc"
)

// Sink takes what a source brings. Its methods are called by one goroutine at a time.
type Sink = interface {
	// Document takes one document. Its Body is valid only during the call. An error ends the collection.
	Document(ctx context.Context, d demarc.Document) error
	// Note takes what a person must know about the source.
	Note(n demarc.Note)
}

// Source brings documents. Collect returns an error only if nothing further can be had from the source; what could
// be understood has been given to the sink by then.
type Source interface {
	Collect(ctx context.Context, to Sink) error
}
