package report

import (
	"slices"
	"strings"

	"github.com/demarc/demarc"
)

// Encoder writes answers of the machine contract. It is used by one goroutine.
type Encoder struct {
	duties *Shared[encoded]
	tags   []tag // scratch
}

// encoded is a duty without the values that decided it: they stand between head and tail.
type encoded struct {
	head, tail []byte
	reads      []string // the facts whose values these are
}

type tag struct{ key, value string }

// NewEncoder returns an Encoder that remembers nothing yet.
func NewEncoder() *Encoder {
	return &Encoder{duties: NewShared(func(d *demarc.DutyAnswer) encoded {
		return encoded{head: appendDutyHead(nil, d), tail: appendDutyTail(nil, d), reads: d.Reads}
	})}
}

// Append appends one resource of the machine contract, without a line break. Duties stand in the order of
// demarc.Duties.
func (e *Encoder) Append(b []byte, a *demarc.Answer) []byte {
	b = append(b, `{"resource":`...)
	b = e.appendResource(b, &a.Resource)
	b = append(b, `,"duties":{`...)
	for i, d := range e.duties.Of(a) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, d.head...)
		b = appendBecause(b, a, d.reads)
		b = append(b, d.tail...)
	}
	return append(b, `}}`...)
}

func (e *Encoder) appendResource(b []byte, r *demarc.Resource) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, string(r.ID))
	for _, f := range [...]struct{ key, value string }{
		{"provider", r.Provider},
		{"source", r.Source},
		{"account", r.Account},
		{"region", r.Region},
		{"type", r.Type},
		{"service", string(r.Service)},
		{"name", r.Name},
	} {
		b = append(append(append(b, `,"`...), f.key...), `":`...)
		b = appendString(b, f.value)
	}
	b = append(b, `,"tags":`...)
	b = e.appendTags(b, r.Tags)
	if r.Implied {
		b = append(b, `,"implied":true`...)
	}
	return append(b, '}')
}

// appendTags appends tags as an object, sorted by key. Of two with one key the last counts.
func (e *Encoder) appendTags(b []byte, tags demarc.Tags) []byte {
	e.tags = e.tags[:0]
	for k, v := range tags.All() {
		e.tags = append(e.tags, tag{k, v})
	}
	slices.SortStableFunc(e.tags, func(x, y tag) int { return strings.Compare(x.key, y.key) })
	b = append(b, '{')
	some := false
	for i, t := range e.tags {
		if i+1 < len(e.tags) && e.tags[i+1].key == t.key {
			continue
		}
		if some {
			b = append(b, ',')
		}
		some = true
		b = appendString(append(appendString(b, t.key), ':'), t.value)
	}
	return append(b, '}')
}
