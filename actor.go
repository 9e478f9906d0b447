package demarc

import "context"

// Right is something that a person may be allowed to do.
type Right string

// The rights. Each holds for what it says alone: whoever may declare must be given RightRead too.
const (
	RightRead       Right = "read"       // see pages and answers, and take exports
	RightDeclare    Right = "declare"    // accept, attest, except and withdraw; for a team, or for all of them
	RightAdminister Right = "administer" // see the audit log, make and revoke tokens
)

// Actor is who makes a request, and what they may do. It must be safe for concurrent use.
type Actor interface {
	// Name is how the audit log calls them: "amara@northwind.example".
	Name() string
	// May reports whether they may do something for a team. The team "" asks whether there is any team for which they
	// may: surfaces offer what is allowed somewhere, and what is done is asked for its own team again.
	May(right Right, team string) bool
}

type actorKey struct{}

// WithActor returns a context of requests that an actor makes.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf returns who makes a request; without one, somebody who may do nothing.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return stranger{}
}

type stranger struct{}

func (stranger) Name() string           { return "" }
func (stranger) May(Right, string) bool { return false }

// LocalActor is the person at the machine itself, by the name of their account, who may do everything. It must only be
// given to requests that come over a loopback address.
type LocalActor string

// Name is the name of the account that demarc runs under.
func (l LocalActor) Name() string { return string(l) }

// May reports true.
func (LocalActor) May(Right, string) bool { return true }
