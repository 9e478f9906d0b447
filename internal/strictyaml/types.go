package strictyaml

import (
	"reflect"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// Map is a mapping that keeps the order of its entries, and the place of each key.
type Map[T any] []Entry[T]

// Entry is one key of a Map and its value.
type Entry[T any] struct {
	Key   string
	Pos   Pos // of the key
	Value T
}

// DecodeYAML implements Unmarshaler.
func (m *Map[T]) DecodeYAML(n *yaml.Node, d *Decoder) {
	if isNull(n) {
		return
	}
	for key, value := range d.Entries(n) {
		e := Entry[T]{Key: key.Value, Pos: d.Pos(key)}
		d.Decode(value, &e.Value)
		*m = append(*m, e)
	}
}

// Get returns the value of key, or false.
func (m Map[T]) Get(key string) (T, bool) {
	for _, e := range m {
		if e.Key == key {
			return e.Value, true
		}
	}
	var zero T
	return zero, false
}

// Text is a scalar and the place where its text begins: for a plain scalar its first character, for a quoted
// one the character after the quote, for a block (| or >) the first character of its first line. Numbers and
// booleans written plain are text too, so that `when: true` is the expression "true".
//
// Inside, a column counts on from Pos exactly in a plain scalar of one line and in a literal block; escapes
// in quotes and folded lines make it approximate.
type Text struct {
	Value string
	Pos   Pos
}

// DecodeYAML implements Unmarshaler.
func (t *Text) DecodeYAML(n *yaml.Node, d *Decoder) {
	if !d.Scalar(n, "text") {
		return
	}
	t.Value, t.Pos = n.Value, d.Pos(n)
	switch {
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		t.Pos.Column++
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		t.Pos = d.blockPos(n)
	}
}

func (t Text) String() string { return t.Value }

// blockPos returns where the text of a block scalar begins. A node only knows the place of its | or >.
func (d *Decoder) blockPos(n *yaml.Node) Pos {
	if d.lines == nil {
		d.lines = strings.Split(d.data, "\n")
	}
	blank := 0 // lines that the value begins with
	value := n.Value
	for strings.HasPrefix(value, "\n") {
		value = value[1:]
		blank++
	}
	own := len(value) - len(strings.TrimLeft(value, " ")) // spaces that belong to the value
	for i := n.Line; i < len(d.lines) && value != ""; i++ {
		text := strings.TrimLeft(d.lines[i], " ")
		if strings.TrimSpace(text) == "" {
			continue
		}
		return Pos{d.file, i + 1 - blank, max(1, len(d.lines[i])-len(text)-own+1)}
	}
	return d.Pos(n)
}

// fields says where the keys of a mapping go in a struct.
type fields struct {
	byKey map[string]int
	pos   int // the field that receives the position, or -1
}

var fieldsCache sync.Map // reflect.Type to fields

func fieldsOf(t reflect.Type) fields {
	if f, ok := fieldsCache.Load(t); ok {
		return f.(fields)
	}
	f := fields{byKey: make(map[string]int), pos: -1}
	for i := range t.NumField() {
		key, option, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		switch {
		case option == "pos":
			f.pos = i
		case key != "" && key != "-":
			f.byKey[key] = i
		}
	}
	fieldsCache.Store(t, f)
	return f
}
