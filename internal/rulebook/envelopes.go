package rulebook

import (
	"slices"
	"strings"

	"github.com/demarc/demarc"
)

// EnvelopeIndex tells which members of API bodies the catalog reads, for the source that recognises documents.
type EnvelopeIndex struct {
	members, whole map[string][]demarc.Dialect
}

// EnvelopeIndex builds the index of the catalog's envelopes.
func (b *Rulebook) EnvelopeIndex() *EnvelopeIndex {
	x := &EnvelopeIndex{members: map[string][]demarc.Dialect{}, whole: map[string][]demarc.Dialect{}}
	add := func(to map[string][]demarc.Dialect, key string, d demarc.Dialect) {
		if !slices.Contains(to[key], d) {
			to[key] = append(to[key], d)
		}
	}
	for _, d := range []demarc.Dialect{demarc.AWSAPI, demarc.OpenStack, demarc.VSphere, demarc.Graph} {
		for _, ref := range b.envelopes[d] {
			switch {
			case len(ref.Envelope) > 0 && d != demarc.Graph:
				add(x.members, strings.TrimSuffix(ref.Envelope[0], "[]"), d)
			case ref.Has != "" && len(ref.Envelope) == 0:
				add(x.whole, ref.Has, d)
			}
		}
	}
	return x
}

// Member returns the dialects that read a top-level member of that name. Case counts.
func (x *EnvelopeIndex) Member(key string) []demarc.Dialect { return x.members[key] }

// Whole returns the dialects that read a whole body which has that member.
func (x *EnvelopeIndex) Whole(key string) []demarc.Dialect { return x.whole[key] }
