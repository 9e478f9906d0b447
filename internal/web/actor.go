package web

import "context"

// Right is something that a person may be allowed to do.
type Right string

// The rights. Each holds for what it says alone: whoever may declare must be given Read too.
const (
	Read       Right = "read"       // see pages and take exports
	Declare    Right = "declare"    // accept, attest, except and assign; for a team, or for all of them
	Administer Right = "administer" // see the audit log, and whatever else is not for everybody
)

// Actor is who makes a request, and what they may do. It must be safe for concurrent use.
type Actor interface {
	// Name is how the audit log calls them: "amara@northwind.example".
	Name() string
	// May reports whether they may do something for a team. The team "" asks whether there is any team for which they
	// may: pages offer what is allowed somewhere, and what is done is asked for its own team again.
	May(right Right, team string) bool
}

type actorKey struct{}

// WithActor returns a context of requests that an actor makes.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf returns who makes the request; without one, somebody who may do nothing.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return stranger{}
}

type stranger struct{}

func (stranger) Name() string           { return "" }
func (stranger) May(Right, string) bool { return false }

// Local is the person at the machine itself, who may do everything. It must only be given to requests that come over a
// loopback address.
type Local string

// Name is the name of the account that demarc runs under.
func (l Local) Name() string { return string(l) }

// May reports true.
func (Local) May(Right, string) bool { return true }
