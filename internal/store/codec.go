package store

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/demarc/demarc"
)

// Facts are kept as bytes: for each, in the order of the names of its service, its origin with a bit for sensitive
// ones, then its value, if it has one. A value is its type and what the type needs; texts and lists stand behind their
// length as uvarints. What is sensitive, and the text of documents, is never here: such a fact is the string "set".

const sensitive = 0x80

var errFacts = errors.New("stored facts cannot be understood")

// appendFacts appends the facts of an answer.
func appendFacts(b []byte, facts []demarc.NamedFact) []byte {
	for i := range facts {
		b = appendFact(b, &facts[i])
	}
	return b
}

func appendFact(b []byte, f *demarc.NamedFact) []byte {
	head := byte(f.Fact.Origin)
	if f.Sensitive {
		head |= sensitive
	}
	b = append(b, head)
	switch v := &f.Fact.Value; {
	case !f.Fact.Known() && f.Fact.Origin.Known(): // read, and yet without a value
		return append(b, byte(demarc.TypeInvalid))
	case !f.Fact.Known():
		return b
	case f.Sensitive || v.Type() == demarc.TypeDocument:
		return appendValue(b, f.Shown())
	case v.Type() == demarc.TypeString: // most are
		return appendText(append(b, byte(demarc.TypeString)), v.AsString())
	default:
		return appendValue(b, *v)
	}
}

func appendValue(b []byte, v demarc.Value) []byte {
	b = append(b, byte(v.Type()))
	switch v.Type() {
	case demarc.TypeInvalid:
	case demarc.TypeBool:
		b = append(b, byte(bit(v.AsBool())))
	case demarc.TypeInt:
		b = binary.AppendVarint(b, v.AsInt())
	case demarc.TypeNumber:
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.AsNumber()))
	case demarc.TypeTime:
		b = binary.AppendVarint(b, v.AsTime().UnixNano())
	case demarc.TypeString, demarc.TypeDocument:
		b = appendText(b, v.AsString())
	case demarc.TypeStrings, demarc.TypeInts:
		b = binary.AppendUvarint(b, uint64(len(v.Elements())))
		for _, e := range v.Elements() {
			b = appendValue(b, e)
		}
	case demarc.TypeRecords: // a list of records, or one: told apart by a byte
		if names := v.Names(); names != nil {
			b = binary.AppendUvarint(append(b, 1), uint64(len(names.All())))
			for i, name := range names.All() {
				b = appendValue(appendText(b, name), v.Fields()[i])
			}
			break
		}
		b = binary.AppendUvarint(append(b, 0), uint64(len(v.Elements())))
		for _, e := range v.Elements() {
			b = appendValue(b, e)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder takes stored facts apart. After a mistake everything is empty, and err says so.
type decoder struct {
	b   []byte
	err error
}

// facts returns facts with the names of their service.
func (d *decoder) facts(names []string) []demarc.NamedFact {
	out := make([]demarc.NamedFact, 0, len(names))
	for _, name := range names {
		out = append(out, d.fact(name))
	}
	if len(d.b) > 0 && d.err == nil {
		d.err = errFacts
	}
	return out
}

func (d *decoder) fact(name string) demarc.NamedFact {
	head := d.byte()
	f := demarc.NamedFact{Name: name, Sensitive: head&sensitive != 0, Fact: demarc.Fact{Origin: demarc.Origin(head &^ sensitive)}}
	if f.Fact.Origin > demarc.NotAttached {
		d.err = errFacts
		return demarc.NamedFact{Name: name, Fact: demarc.Fact{Origin: demarc.BadValue}}
	}
	if f.Fact.Origin.Known() {
		f.Fact.Value = d.value(0)
	}
	return f
}

const deepest = 32 // levels of a value: facts are scalars, lists and records of scalars

func (d *decoder) value(depth int) demarc.Value {
	if depth > deepest {
		d.err = errFacts
		return demarc.Value{}
	}
	switch t := demarc.Type(d.byte()); t {
	case demarc.TypeInvalid:
		return demarc.Value{}
	case demarc.TypeBool:
		return demarc.Bool(d.byte() != 0)
	case demarc.TypeInt:
		return demarc.Int(d.varint())
	case demarc.TypeNumber:
		bits := d.take(8)
		if bits == nil {
			return demarc.Value{}
		}
		return demarc.Number(math.Float64frombits(binary.LittleEndian.Uint64(bits)))
	case demarc.TypeTime:
		return demarc.Time(time.Unix(0, d.varint()))
	case demarc.TypeString:
		return demarc.String(d.text())
	case demarc.TypeDocument:
		return demarc.JSON(d.text())
	case demarc.TypeStrings, demarc.TypeInts:
		return demarc.List(t, d.list(depth)...)
	case demarc.TypeRecords:
		if d.byte() == 0 {
			return demarc.List(t, d.list(depth)...)
		}
		n := d.count()
		fields := make(map[string]demarc.Value, n)
		for range n {
			name := d.text()
			fields[name] = d.value(depth + 1)
		}
		return demarc.Record(fields)
	default:
		d.err = errFacts
		return demarc.Value{}
	}
}

func (d *decoder) list(depth int) []demarc.Value {
	n := d.count()
	out := make([]demarc.Value, 0, n)
	for range n {
		out = append(out, d.value(depth+1))
	}
	return out
}

// count returns a number of elements, each of which is at least a byte.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.b, d.err = nil, errFacts
		return 0
	}
	return int(n)
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.err = errFacts
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.b, d.err = nil, errFacts
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) text() string { return string(d.take(d.count())) }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.err = nil, errFacts
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.b, d.err = nil, errFacts
		return 0
	}
	d.b = d.b[n:]
	return v
}

// appendChanges appends facts that changed: name, old, new.
func appendChanges(b []byte, changes []demarc.Change) []byte {
	for _, c := range changes {
		b = appendText(b, c.Fact)
		b = appendFact(b, &demarc.NamedFact{Fact: c.Old})
		b = appendFact(b, &demarc.NamedFact{Fact: c.New})
	}
	return b
}

func (d *decoder) changes() []demarc.Change {
	var out []demarc.Change
	for len(d.b) > 0 && d.err == nil {
		c := demarc.Change{Fact: d.text()}
		c.Old, c.New = d.fact("").Fact, d.fact("").Fact
		out = append(out, c)
	}
	return out
}

// appendIDs and ids are the outcomes of a standing.
func appendIDs(b []byte, ids []int64) []byte {
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(id))
	}
	return b
}

func (d *decoder) ids(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(d.uvarint())
	}
	if len(d.b) > 0 && d.err == nil {
		d.err = errFacts
	}
	return out
}

// changesBetween returns which of some facts are not what they were, as they may be shown.
func changesBetween(names []string, before, after []demarc.NamedFact) []demarc.Change {
	var out []demarc.Change
	for _, name := range names {
		x, y := named(before, name), named(after, name)
		if x.Origin != y.Origin || !x.Value.Equal(y.Value) {
			out = append(out, demarc.Change{Fact: name, Old: x, New: y})
		}
	}
	return out
}

// named returns the fact of a name as it may be shown.
func named(facts []demarc.NamedFact, name string) demarc.Fact {
	for i := range facts {
		if facts[i].Name == name {
			return demarc.Fact{Value: facts[i].Shown(), Origin: facts[i].Fact.Origin}
		}
	}
	return demarc.Fact{Origin: demarc.NotCarried}
}
