package demarc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Type is the declared type of a fact.
type Type uint8

// The types a fact may have. TypeDocument is JSON text that is handed on as it is, such as a policy;
// TypeRecords is a list of records whose fields are declared beside it.
const (
	TypeInvalid Type = iota
	TypeBool
	TypeInt
	TypeNumber
	TypeString
	TypeTime
	TypeStrings
	TypeInts
	TypeDocument
	TypeRecords
)

var typeNames = [...]string{"invalid", "bool", "int", "number", "string", "time", "strings", "ints", "document", "records"}

func (t Type) String() string { return typeNames[t] }

// ParseType returns the type that a catalog names, or false.
func ParseType(s string) (Type, bool) {
	for i, n := range typeNames {
		if n == s && i > 0 {
			return Type(i), true
		}
	}
	return TypeInvalid, false
}

// Element returns the type of a list's elements, and TypeInvalid for what is no list of scalars.
func (t Type) Element() Type {
	switch t {
	case TypeStrings:
		return TypeString
	case TypeInts:
		return TypeInt
	default:
		return TypeInvalid
	}
}

// Value is one typed value of a fact. The zero Value is of TypeInvalid and stands for no value.
// Values are immutable: a List or a Record must not be changed after it was made.
type Value struct {
	typ  Type
	num  uint64 // bool, int, number (bits), time (Unix nanoseconds)
	str  string
	list []Value // strings, ints, records; a nil-typed element is one that is not known. The fields of a record
	of   *Names  // the fields of a record
}

// Names are what the fields of records are called. Records of one kind share them.
type Names struct{ sorted []string }

// NewNames returns names, each of which counts once.
func NewNames(names ...string) *Names {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return &Names{slices.Compact(sorted)}
}

// All returns the names, sorted. They must not be changed.
func (n *Names) All() []string { return n.sorted }

// Bool, Int, Number, String, Time, JSON, List and Record make values.

// Bool makes a value of TypeBool.
func Bool(b bool) Value {
	if b {
		return Value{typ: TypeBool, num: 1}
	}
	return Value{typ: TypeBool}
}

// Int makes a value of TypeInt.
func Int(i int64) Value { return Value{typ: TypeInt, num: uint64(i)} }

// Number makes a value of TypeNumber.
func Number(f float64) Value { return Value{typ: TypeNumber, num: math.Float64bits(f)} }

// String makes a value of TypeString.
func String(s string) Value { return Value{typ: TypeString, str: s} }

// JSON makes a value of TypeDocument: JSON text.
func JSON(s string) Value { return Value{typ: TypeDocument, str: s} }

// Time makes a value of TypeTime, kept in UTC. It holds the years 1678 to 2261: providers write 0001 for "not set"
// and 9999 for "never", which become the first and the last moment of these.
func Time(t time.Time) Value {
	t = t.UTC()
	switch {
	case t.Year() < 1678:
		return Value{typ: TypeTime, num: uint64(firstTime)}
	case t.Year() > 2261:
		return Value{typ: TypeTime, num: uint64(lastTime)}
	default:
		return Value{typ: TypeTime, num: uint64(t.UnixNano())}
	}
}

var (
	firstTime = time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	lastTime  = time.Date(2261, 12, 31, 23, 59, 59, 0, time.UTC).UnixNano()
)

// List makes a value of a list type: TypeStrings, TypeInts or TypeRecords.
// An element that is the zero Value is one of which nothing is known.
func List(t Type, elements ...Value) Value { return Value{typ: t, list: elements} }

// Record makes one element of a TypeRecords list.
func Record(fields map[string]Value) Value {
	names := NewNames(slices.Collect(maps.Keys(fields))...)
	values := make([]Value, len(names.sorted))
	for i, name := range names.sorted {
		values[i] = fields[name]
	}
	return names.Record(values)
}

// Record makes a record of the values of its fields, in the order of All.
func (n *Names) Record(values []Value) Value { return Value{typ: TypeRecords, list: values, of: n} }

// clone returns a copy of v that no memory is shared with but the names of records.
func (v Value) clone() Value {
	v.str, v.list = strings.Clone(v.str), slices.Clone(v.list)
	for i := range v.list {
		v.list[i] = v.list[i].clone()
	}
	return v
}

// Type returns the type of v.
func (v Value) Type() Type { return v.typ }

// IsZero reports whether v is no value at all.
func (v Value) IsZero() bool { return v.typ == TypeInvalid }

// AsBool returns the value of a TypeBool.
func (v Value) AsBool() bool { return v.num != 0 }

// AsInt returns the value of a TypeInt.
func (v Value) AsInt() int64 { return int64(v.num) }

// AsNumber returns the value of a TypeNumber.
func (v Value) AsNumber() float64 { return math.Float64frombits(v.num) }

// AsString returns the text of a TypeString or a TypeDocument.
func (v Value) AsString() string { return v.str }

// AsTime returns the value of a TypeTime, in UTC.
func (v Value) AsTime() time.Time { return time.Unix(0, int64(v.num)).UTC() }

// Elements returns the elements of a list, nil for anything else.
func (v Value) Elements() []Value {
	if v.of != nil {
		return nil
	}
	return v.list
}

// Names returns what the fields of a record are called, nil for anything else.
func (v Value) Names() *Names { return v.of }

// Fields returns the values of the fields of a record in the order of its Names, nil for anything else.
func (v Value) Fields() []Value {
	if v.of == nil {
		return nil
	}
	return v.list
}

// Field returns a field of a record, the zero Value if there is none of that name.
func (v *Value) Field(name string) Value {
	if v.of != nil {
		for i, n := range v.of.sorted {
			if n == name {
				return v.list[i]
			}
		}
	}
	return Value{}
}

// Partial reports whether a list has elements of which nothing is known.
func (v Value) Partial() bool {
	for i := range v.Elements() {
		if v.list[i].IsZero() {
			return true
		}
	}
	return false
}

// String returns v as a person reads it: a list is bracketed, a string stands bare.
func (v Value) String() string {
	switch v.typ {
	case TypeInvalid:
		return "unknown"
	case TypeBool:
		return strconv.FormatBool(v.AsBool())
	case TypeInt:
		return strconv.FormatInt(v.AsInt(), 10)
	case TypeNumber:
		return strconv.FormatFloat(v.AsNumber(), 'g', -1, 64)
	case TypeTime:
		return v.AsTime().Format(time.RFC3339)
	case TypeString, TypeDocument:
		return v.str
	case TypeStrings, TypeInts:
		var b strings.Builder
		b.WriteByte('[')
		for i, e := range v.list {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(e.String())
		}
		b.WriteByte(']')
		return b.String()
	case TypeRecords:
		out, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprintf("%d records", len(v.list))
		}
		return string(out)
	}
	panic("demarc: value of type " + strconv.Itoa(int(v.typ)))
}

// MarshalJSON writes v as the JSON value that it came from; an unknown value is null.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.typ {
	case TypeInvalid:
		return []byte("null"), nil
	case TypeBool, TypeInt:
		return []byte(v.String()), nil
	case TypeNumber:
		return json.Marshal(v.AsNumber())
	case TypeTime:
		return json.Marshal(v.AsTime().Format(time.RFC3339))
	case TypeString, TypeDocument:
		return json.Marshal(v.str)
	case TypeRecords:
		if v.of != nil {
			fields := make(map[string]Value, len(v.list))
			for i, name := range v.of.sorted {
				fields[name] = v.list[i]
			}
			return json.Marshal(fields)
		}
		fallthrough
	case TypeStrings, TypeInts:
		if v.list == nil {
			return []byte("[]"), nil
		}
		return json.Marshal(v.list)
	}
	panic("demarc: value of type " + strconv.Itoa(int(v.typ)))
}

// UnmarshalJSON reads a value that MarshalJSON wrote. What JSON cannot tell apart comes back as the simpler: a time and a
// document as a string, a number without a fraction as an integer, an empty list as one of strings.
func (v *Value) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var raw any
	if err := d.Decode(&raw); err != nil {
		return err
	}
	*v = valueOf(raw)
	return nil
}

func valueOf(raw any) Value {
	switch raw := raw.(type) {
	case bool:
		return Bool(raw)
	case string:
		return String(raw)
	case json.Number:
		if n, err := raw.Int64(); err == nil {
			return Int(n)
		}
		f, err := raw.Float64()
		if err != nil {
			return String(raw.String()) // larger than any number of ours
		}
		const exact = 1 << 53
		if f == math.Trunc(f) && math.Abs(f) < exact {
			return Int(int64(f))
		}
		return Number(f)
	case []any:
		typ := TypeStrings
		elements := make([]Value, len(raw))
		for i := range raw {
			switch elements[i] = valueOf(raw[i]); elements[i].typ {
			case TypeInt:
				typ = TypeInts
			case TypeRecords:
				typ = TypeRecords
			default:
			}
		}
		return List(typ, elements...)
	case map[string]any:
		fields := make(map[string]Value, len(raw))
		for k, x := range raw {
			fields[k] = valueOf(x)
		}
		return Record(fields)
	default:
		return Value{}
	}
}

// Equal reports whether v and w are the same value of the same type.
func (v Value) Equal(w Value) bool {
	if v.typ != w.typ || v.num != w.num || v.str != w.str || len(v.list) != len(w.list) || (v.of == nil) != (w.of == nil) {
		return false
	}
	if v.of != w.of && !slices.Equal(v.of.sorted, w.of.sorted) {
		return false
	}
	for i := range v.list {
		if !v.list[i].Equal(w.list[i]) {
			return false
		}
	}
	return true
}

// Origin says how the value of a fact came to be, or why there is none.
type Origin uint8

// The origins of a fact. The first three come with a value, the others do not.
const (
	Read        Origin = iota // the document says so
	Defaulted                 // the document leaves it out, and the provider documents what that means
	Presumed                  // nothing says so; the catalog presumes it, with its reason
	NotCarried                // this dialect has no place for it
	Absent                    // the document could carry it and does not, and no default is documented
	Projected                 // the document is a summary or a projection that left it out
	AfterApply                // a plan knows it only after apply, or an intrinsic cannot be resolved
	Denied                    // reading it was denied
	BadValue                  // it was there, and could not be understood
	Unresolved                // it lies in another resource that was not delivered
	NotAttached               // a part that might carry it could not be attached to its parent
)

var originTexts = [...]string{
	"read", "default, not read", "presumed",
	"this dialect cannot carry it", "the document does not say", "left out of this summary",
	"known only after apply", "reading it was denied", "its value could not be understood",
	"the resource it lies in was not delivered", "a part that may carry it could not be attached",
}

func (o Origin) String() string { return originTexts[o] }

// MarshalText writes the origin as a person reads it.
func (o Origin) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (o *Origin) UnmarshalText(text []byte) error {
	for i, t := range originTexts {
		if t == string(text) {
			*o = Origin(i)
			return nil
		}
	}
	return fmt.Errorf("unknown origin of a fact %q", text)
}

// Known reports whether a fact of this origin has a value.
func (o Origin) Known() bool { return o <= Presumed }

// Fact is one typed value read from a resource's configuration, or the reason why it is unknown.
type Fact struct {
	Value  Value  `json:"value"`
	Origin Origin `json:"origin"`
}

// Known reports whether f has a value.
func (f Fact) Known() bool { return f.Origin.Known() && !f.Value.IsZero() }
