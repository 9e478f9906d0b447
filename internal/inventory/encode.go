package inventory

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"time"
	"unsafe"

	"github.com/demarc/demarc"
)

// Records and values are kept as bytes: numbers as uvarints, texts behind their lengths. Nothing but this package reads
// them, within one run, so they carry no version.

func appendText[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTexts(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

// decoder takes apart what was put together by the append functions. Its texts are pieces of what it reads.
type decoder struct {
	rest  string
	names *demarc.Names // that records most likely have; nil for none
	arena *arena        // for the elements of values
}

// arena is where the elements of values are put that are all good for the same time. Each has memory of its own where it is nil.
type arena struct{ values []demarc.Value }

const maxArena = 1 << 13 // values that an arena keeps memory for when it is reset

// take returns n unknown values.
func (r *arena) take(n int) []demarc.Value {
	if r == nil {
		return make([]demarc.Value, n)
	}
	from := len(r.values)
	if cap(r.values)-from < n {
		r.values, from = make([]demarc.Value, 0, max(64, 2*cap(r.values), n)), 0
	}
	r.values = r.values[:from+n]
	out := r.values[from : from+n : from+n]
	clear(out)
	return out
}

func (r *arena) copied(list []demarc.Value) []demarc.Value {
	out := r.take(len(list))
	copy(out, list)
	return out
}

// reset ends all that was taken.
func (r *arena) reset() {
	if r.values = r.values[:0]; cap(r.values) > maxArena {
		r.values = nil
	}
}

func (d *decoder) uint() uint64 {
	n := uint64(0)
	for i := 0; i < len(d.rest); i++ {
		n |= uint64(d.rest[i]&0x7f) << (7 * i)
		if d.rest[i] < 0x80 {
			d.rest = d.rest[i+1:]
			return n
		}
	}
	panic("inventory: a record is cut short")
}

func (d *decoder) int() int64 {
	n := d.uint()
	return int64(n>>1) ^ -int64(n&1)
}

func (d *decoder) take(n int) string {
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) text() string { return d.take(int(d.uint())) }

// texts appends a list of texts to list.
func (d *decoder) texts(list []string) []string {
	for range d.uint() {
		list = append(list, d.text())
	}
	return list
}

// view is b as a string, without copying it: it is good as long as b is not written to.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // see above

// appendOrdered appends s so that what is built of several such texts orders as they do, one after the other.
func appendOrdered(b []byte, s string) []byte {
	for {
		i := bytes.IndexByte(unsafe.Slice(unsafe.StringData(s), len(s)), 0) //nolint:gosec // it is only read
		if i < 0 {
			return append(append(b, s...), 0, 0)
		}
		b = append(append(b, s[:i]...), 0, 1)
		s = s[i+1:]
	}
}

// cutOrdered takes a text off the front of what appendOrdered made.
func cutOrdered(b string) (s, rest string) {
	from := 0
	for i := 0; i+1 < len(b); i++ {
		if b[i] != 0 {
			continue
		}
		if b[i+1] == 0 {
			return s + b[from:i], b[i+2:]
		}
		s, from = s+b[from:i]+"\x00", i+2
		i++
	}
	panic("inventory: a key is cut short")
}

// appendValue appends a value of a fact so that equal values are equal bytes.
func appendValue(b []byte, v demarc.Value) []byte {
	b = append(b, byte(v.Type()))
	switch v.Type() {
	case demarc.TypeInvalid:
	case demarc.TypeBool:
		if v.AsBool() {
			return append(b, 1)
		}
		return append(b, 0)
	case demarc.TypeInt:
		return binary.AppendVarint(b, v.AsInt())
	case demarc.TypeNumber:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v.AsNumber()))
	case demarc.TypeTime:
		return binary.AppendVarint(b, v.AsTime().UnixNano())
	case demarc.TypeString, demarc.TypeDocument:
		return appendText(b, v.AsString())
	case demarc.TypeStrings, demarc.TypeInts, demarc.TypeRecords:
		if v.Names() != nil {
			return appendFields(appendTexts(append(b, oneRecord), v.Names().All()), v)
		}
		elements := v.Elements()
		names := commonNames(elements)
		if names == nil {
			b = append(b, someElements)
		} else {
			b = appendTexts(append(b, likeRecords), names.All())
		}
		b = binary.AppendUvarint(b, uint64(len(elements)))
		for i := range elements {
			switch {
			case names == nil:
				b = appendValue(b, elements[i])
			case elements[i].IsZero():
				b = append(b, 0)
			default:
				b = appendFields(append(b, 1), elements[i])
			}
		}
	}
	return b
}

// How a value of a list type is encoded.
const (
	someElements = iota // each element as it is
	likeRecords         // records of the same names, which come first: of each 1 and its fields, or 0 for one that is not known
	oneRecord           // the names and the fields of one record
)

// commonNames returns the names that all records of a list have, nil if there are none or they differ.
func commonNames(elements []demarc.Value) *demarc.Names {
	var names *demarc.Names
	for i := range elements {
		switch of := elements[i].Names(); {
		case elements[i].IsZero():
		case of == nil:
			return nil
		case names == nil:
			names = of
		case of != names && !slices.Equal(of.All(), names.All()):
			return nil
		}
	}
	return names
}

func appendFields(b []byte, record demarc.Value) []byte {
	for _, v := range record.Fields() {
		b = appendValue(b, v)
	}
	return b
}

// value reads a value, whose texts are pieces of what is read.
func (d *decoder) value() demarc.Value {
	t := demarc.Type(d.take(1)[0])
	switch t {
	case demarc.TypeBool:
		return demarc.Bool(d.take(1)[0] != 0)
	case demarc.TypeInt:
		return demarc.Int(d.int())
	case demarc.TypeNumber:
		return demarc.Number(math.Float64frombits(binary.LittleEndian.Uint64([]byte(d.take(8)))))
	case demarc.TypeTime:
		return demarc.Time(time.Unix(0, d.int()))
	case demarc.TypeString:
		return demarc.String(d.text())
	case demarc.TypeDocument:
		return demarc.JSON(d.text())
	case demarc.TypeStrings, demarc.TypeInts, demarc.TypeRecords:
		switch d.take(1)[0] {
		case oneRecord:
			names := d.recordNames()
			return names.Record(d.values(d.arena.take(len(names.All()))))
		case likeRecords:
			names := d.recordNames()
			n, each := int(d.uint()), len(names.All())
			all := d.arena.take(n + n*each) // the records, and behind them their fields
			list, fields := all[:n:n], all[n:]
			for i := range list {
				if d.take(1)[0] != 0 {
					list[i] = names.Record(d.values(fields[:each:each]))
					fields = fields[each:]
				}
			}
			return demarc.List(t, list...)
		default:
			return demarc.List(t, d.values(d.arena.take(int(d.uint())))...)
		}
	default:
		return demarc.Value{}
	}
}

// recordNames reads what the fields of records are called.
func (d *decoder) recordNames() *demarc.Names {
	if d.names != nil {
		all := d.names.All()
		ahead := *d
		if n := ahead.uint(); n == uint64(len(all)) && !slices.ContainsFunc(all, func(name string) bool { return ahead.text() != name }) {
			d.rest = ahead.rest
			return d.names
		}
	}
	return demarc.NewNames(d.texts(nil)...)
}

// values reads as many values as list has room for.
func (d *decoder) values(list []demarc.Value) []demarc.Value {
	for i := range list {
		list[i] = d.value()
	}
	return list
}
