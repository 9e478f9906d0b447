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
				if len(p.Envelope) > 1 || p.Has == "" {
					x.claim(x.members, key, demarc.Claim{Dialect: d})
					continue
				}
				for member := range p.Asks() {
					x.claim(x.members, key, demarc.Claim{Dialect: d, Has: member})
				}
			case len(p.Envelope) == 0:
				for member, text := range p.Asks() {
					x.claim(x.whole, member, demarc.Claim{Dialect: d, Text: text})
				}
			}
		}
	}
	return x
}

func (x *EnvelopeIndex) claim(of map[string][]demarc.Claim, member string, claim demarc.Claim) {
	if !slices.Contains(of[member], claim) {
		of[member] = append(of[member], claim)
	}
}

// Member returns who reads a top-level member of that name. Case counts.
func (x *EnvelopeIndex) Member(key string) []demarc.Claim { return x.members[key] }

// Whole returns who reads a whole body which has that member. Case counts.
func (x *EnvelopeIndex) Whole(key string) []demarc.Claim { return x.whole[key] }
