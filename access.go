package demarc

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// AccessRole says what somebody may do in a store that several people use.
type AccessRole string

// The access roles, each of which may do what those before it may.
const (
	Viewer AccessRole = "viewer" // reads
	Owner  AccessRole = "owner"  // declares for their own teams
	Admin  AccessRole = "admin"  // declares for all, administers
)

// AccessRoles lists every role, least first.
var AccessRoles = []AccessRole{Viewer, Owner, Admin}

// Grant is a role, and of an owner the teams that it is for.
type Grant struct {
	Role  AccessRole `json:"role"`
	Teams []string   `json:"teams,omitempty"`
}

// May reports whether the grant allows something for a team; the team "" asks for any.
func (g Grant) May(right Right, team string) bool {
	switch right {
	case RightRead:
		return slices.Contains(AccessRoles, g.Role)
	case RightDeclare:
		return g.Role == Admin || g.Role == Owner && len(g.Teams) > 0 && (team == "" || slices.Contains(g.Teams, team))
	case RightAdminister:
		return g.Role == Admin
	default:
		return false
	}
}

// Within reports whether g allows nothing that by does not.
func (g Grant) Within(by Actor) bool {
	switch g.Role {
	case Viewer:
		return by.May(RightRead, "")
	case Owner:
		return !slices.ContainsFunc(g.Teams, func(team string) bool { return !by.May(RightDeclare, team) })
	default:
		return by.May(RightAdminister, "")
	}
}

// Validate returns what is wrong with g.
func (g Grant) Validate() error {
	switch {
	case !slices.Contains(AccessRoles, g.Role):
		return fmt.Errorf("role %q: expected viewer, owner or admin", g.Role)
	case g.Role == Owner && (len(g.Teams) == 0 || slices.Contains(g.Teams, "")):
		return errors.New("an owner must have a team")
	case g.Role != Owner && len(g.Teams) > 0:
		return fmt.Errorf("role %q is for no team", g.Role)
	}
	return nil
}

// String is the grant as a person reads it: "owner of payments, web".
func (g Grant) String() string {
	if g.Role != Owner {
		return string(g.Role)
	}
	return "owner of " + strings.Join(g.Teams, ", ")
}

// Token is a key by which a program uses the API. The store has a hash of its secret and never the secret.
type Token struct {
	ID        string    `json:"id"`   // shown in lists and in the audit log
	Name      string    `json:"name"` // what it is for
	Grant     Grant     `json:"grant"`
	By        string    `json:"by"` // who made it
	Made      time.Time `json:"made"`
	Expires   time.Time `json:"expires"`            // it must end
	LastUsed  time.Time `json:"last_used,omitzero"` // to the hour
	Revoked   time.Time `json:"revoked,omitzero"`   // zero while it is good
	RevokedBy string    `json:"revoked_by,omitempty"`
}

// MaxTokenLife is how long a token may be good.
const MaxTokenLife = 366 * 24 * time.Hour

// Validate returns what is wrong with a token that is about to be made.
func (t *Token) Validate() error {
	var faults []error
	if strings.TrimSpace(t.Name) == "" {
		faults = append(faults, errors.New("a token must have a name that says what it is for"))
	}
	if err := t.Grant.Validate(); err != nil {
		faults = append(faults, err)
	}
	switch life := t.Expires.Sub(t.Made); {
	case life <= 0:
		faults = append(faults, errors.New("a token must end in the future"))
	case life > MaxTokenLife:
		faults = append(faults, errors.New("a token may be good for a year at most"))
	}
	return errors.Join(faults...)
}

// TokenHash returns what a store keeps of the secret of a token. The secret has 130 bits that nobody chose, so that a
// plain hash is enough.
func TokenHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Good reports whether the token may be used at a time.
func (t *Token) Good(now time.Time) bool { return t.Revoked.IsZero() && now.Before(t.Expires) }
