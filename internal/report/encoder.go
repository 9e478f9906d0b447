package report

import "github.com/demarc/demarc"

// Encoder writes answers of the machine contract. What resources share, as they do assignments and verdicts, is
// encoded once. It is used by one goroutine.
type Encoder struct {
	duties map[dutyKey]encoded
}

type dutyKey struct {
	assignment *demarc.Assignment
	verdict    *demarc.Verdict
	believed   demarc.Holder
	assumption string
	team       string
}

// encoded is a duty without the values that decided it: they stand between head and tail.
type encoded struct{ head, tail []byte }

const maxEncoded = 1 << 17 // duties that are remembered

// NewEncoder returns an Encoder that remembers nothing yet.
func NewEncoder() *Encoder { return &Encoder{duties: map[dutyKey]encoded{}} }

// Append appends one resource of the machine contract, without a line break. Duties stand in the order of
// demarc.Duties.
func (e *Encoder) Append(b []byte, a *demarc.Answer) []byte {
	b = append(b, `{"resource":`...)
	b = appendResource(b, &a.Resource)
	b = append(b, `,"duties":{`...)
	first := true
	for d := range a.Duties {
		if !first {
			b = append(b, ',')
		}
		first = false
		key := dutyKey{d.Assignment, d.Verdict, d.Believed, d.Assumption, d.Team}
		known, ok := e.duties[key]
		if !ok {
			known = encoded{head: appendDutyHead(nil, d), tail: appendDutyTail(nil, d)}
			if len(e.duties) < maxEncoded {
				e.duties[key] = known
			}
		}
		b = append(b, known.head...)
		b = appendBecause(b, a, d)
		b = append(b, known.tail...)
	}
	return append(b, `}}`...)
}
