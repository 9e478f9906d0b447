package rulebook

import (
	"slices"
	"strings"

	"github.com/demarc/demarc"
)

// EnvelopeIndex tells which members of API bodies the catalog reads, for the source that recognises documents.
type EnvelopeIndex struct {
	members map[string][]demarc.Claim
	whole   map[string][]demarc.Claim
}

// EnvelopeIndex builds the index of the catalog's envelopes.
func (b *Rulebook) EnvelopeIndex() *EnvelopeIndex {
	x := &EnvelopeIndex{members: map[string][]demarc.Claim{}, whole: map[string][]demarc.Claim{}}
	for _, d := range []demarc.Dialect{demarc.AWSAPI, demarc.OpenStack, demarc.VSphere, demarc.Graph} {
		for _, p := range b.Places(d) {
			switch {
			case len(p.Envelope) > 0 && d != demarc.Graph:
				key := strings.TrimSuffix(p.Envelope[0], "[]")
				claim := demarc.Claim{Dialect: d}
				if len(p.Envelope) == 1 {
					claim.Has, _ = p.Asks()
				}
				if !slices.Contains(x.members[key], claim) {
					x.members[key] = append(x.members[key], claim)
				}
			case p.Has != "" && len(p.Envelope) == 0:
				member, text := p.Asks()
				if claim := (demarc.Claim{Dialect: d, Text: text}); !slices.Contains(x.whole[member], claim) {
					x.whole[member] = append(x.whole[member], claim)
				}
			}
		}
	}
	return x
}

// Member returns who reads a top-level member of that name. Case counts.
func (x *EnvelopeIndex) Member(key string) []demarc.Claim { return x.members[key] }

// Whole returns who reads a whole body which has that member. Case counts.
func (x *EnvelopeIndex) Whole(key string) []demarc.Claim { return x.whole[key] }
