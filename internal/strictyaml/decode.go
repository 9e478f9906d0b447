// Package strictyaml decodes YAML into structs and reports every mistake with its line and column.
//
// It reads less than YAML allows, so that a file says what it seems to say: one document, no anchors, aliases,
// merge keys or tags, no key twice, and no key that the struct does not have.
//
//	type service struct {
//		Pos    strictyaml.Pos         `yaml:",pos"`
//		Name   string                 `yaml:"service"`
//		Facts  strictyaml.Map[fact]   `yaml:"facts"` // keeps the order and the place of its keys
//		When   strictyaml.Text        `yaml:"when"`  // a scalar and its place
//	}
//
// Fields are strings, bools, ints, floats and named types of these, structs, slices, maps with string keys,
// pointers, *yaml.Node for what is kept raw, and types that decode themselves (Unmarshaler). A scalar stands for
// its text wherever text is wanted: `version: 1.30` is "1.30" and `read: 2026-11-23` is "2026-11-23". A key
// without a value leaves a list, a map or a pointer empty, and is a mistake for anything else.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/demarc/demarc/internal/suggest"
)

// The limits on what is read. A file past one of them is refused.
const (
	MaxBytes  = 4 << 20
	MaxDepth  = 64  // mappings and lists within each other
	MaxErrors = 200 // mistakes reported; the rest is only said to be there
)

// Unmarshaler is what a type implements to decode itself from a node of any kind.
type Unmarshaler interface {
	DecodeYAML(n *yaml.Node, d *Decoder)
}

// Decode decodes data, which was read from file, into the value that into points to. The error it returns is
// Errors, sorted by position; what could be decoded is in into all the same. Empty data is no mistake.
func Decode(file string, data []byte, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic("strictyaml: Decode wants a pointer")
	}
	d := &Decoder{file: file}
	if root := d.parse(data); root != nil && d.check(root, 0) && !isNull(root) {
		d.value(root, v.Elem())
	}
	err := d.errs.Err()
	if d.more {
		err = append(d.errs, &Error{File: file, Msg: "more mistakes follow; they are not listed"})
	}
	return err
}

// Decoder decodes the nodes of one file. It is not safe for concurrent use.
type Decoder struct {
	file  string
	data  string
	lines []string // of data, split when first asked for
	errs  Errors
	more  bool // there were more than MaxErrors
}

// Decode decodes n into the value that into points to, and reports whether it found no mistake in it.
func (d *Decoder) Decode(n *yaml.Node, into any) bool {
	before := len(d.errs)
	d.value(n, reflect.ValueOf(into).Elem())
	return len(d.errs) == before && !d.more
}

// Errorf reports a mistake at n.
func (d *Decoder) Errorf(n *yaml.Node, format string, args ...any) {
	d.ErrorAt(d.Pos(n), format, args...)
}

// ErrorAt reports a mistake at pos.
func (d *Decoder) ErrorAt(pos Pos, format string, args ...any) {
	if len(d.errs) == MaxErrors {
		d.more = true
		return
	}
	d.errs.Addf(pos, format, args...)
}

// Pos returns the place of n.
func (d *Decoder) Pos(n *yaml.Node) Pos { return Pos{d.file, n.Line, n.Column} }

// parse returns the root of the only document of data, or nil if there is none or it is not well-formed.
func (d *Decoder) parse(data []byte) (root *yaml.Node) {
	if len(data) > MaxBytes {
		d.ErrorAt(Pos{File: d.file}, "file is larger than %d bytes", MaxBytes)
		return nil
	}
	if pos, ok := d.notUTF8(data); ok {
		d.ErrorAt(pos, "text is not UTF-8")
		return nil
	}
	d.data = string(data)

	// The YAML parser panics on some inputs that it was never meant to see ("please report").
	defer func() {
		if r := recover(); r != nil {
			d.ErrorAt(Pos{File: d.file}, "not YAML that can be read: %v", r)
			root = nil
		}
	}()
	yd := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	if err := yd.Decode(&first); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		d.syntax(err)
		return nil
	}
	if err := yd.Decode(&second); err == nil {
		d.Errorf(&second, "more than one document in the file")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
	}
	if len(first.Content) == 0 {
		return nil
	}
	return first.Content[0]
}

func (d *Decoder) notUTF8(data []byte) (Pos, bool) {
	if utf8.Valid(data) {
		return Pos{}, false
	}
	line, column := 1, 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			break
		}
		if column++; r == '\n' {
			line, column = line+1, 1
		}
		data = data[size:]
	}
	return Pos{d.file, line, column}, true
}

var syntaxError = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax reports an error of the YAML parser, which gives the line in its text, no column, and nothing at all
// on the first line.
func (d *Decoder) syntax(err error) {
	line, msg := 1, err.Error()
	if m := syntaxError.FindStringSubmatch(msg); m != nil {
		msg = msg[len(m[0]):]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	d.ErrorAt(Pos{File: d.file, Line: line}, "not well-formed YAML: %s", msg)
}

// check reports what YAML allows and we do not, in the whole tree at n. It returns false if n is nested too
// deeply to be decoded.
func (d *Decoder) check(n *yaml.Node, depth int) bool {
	if depth > MaxDepth {
		d.Errorf(n, "nested more than %d levels deep", MaxDepth)
		return false
	}
	switch {
	case n.Kind == yaml.AliasNode:
		d.Errorf(n, "alias *%s: anchors and aliases are not allowed, write the value out", n.Value)
	case n.Anchor != "":
		d.Errorf(n, "anchor &%s: anchors and aliases are not allowed, write the value out", n.Anchor)
	case n.Style&yaml.TaggedStyle != 0:
		d.Errorf(n, "tag %s: tags are not allowed", n.Tag)
	}
	ok := true
	if n.Kind != yaml.MappingNode {
		for _, c := range n.Content {
			ok = d.check(c, depth+1) && ok
		}
		return ok
	}
	seen := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		ok = d.check(key, depth+1) && ok
		ok = d.check(value, depth+1) && ok
		switch {
		case key.Kind == yaml.AliasNode: // reported above
		case key.Kind != yaml.ScalarNode:
			d.Errorf(key, "a key must be text, this is %s", describe(key))
		case isMerge(key):
			d.Errorf(key, "merge key <<: merge keys are not allowed, write the values out")
		case isNull(key) && key.Value == "":
			d.Errorf(key, "a key is empty")
		case seen[key.Value] != nil:
			d.Errorf(key, "key %q stands here twice, first on line %d", key.Value, seen[key.Value].Line)
		default:
			seen[key.Value] = key
		}
	}
	return ok
}

var unmarshaler = reflect.TypeFor[Unmarshaler]()

// value decodes n into v, which is settable.
func (d *Decoder) value(n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		return // reported by check
	}
	t := v.Type()
	switch {
	case reflect.PointerTo(t).Implements(unmarshaler):
		v.Addr().Interface().(Unmarshaler).DecodeYAML(n, d)
		return
	case t == reflect.TypeFor[*yaml.Node]():
		v.Set(reflect.ValueOf(n))
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		if isNull(n) {
			return
		}
		p := reflect.New(t.Elem())
		d.value(n, p.Elem())
		v.Set(p)
	case reflect.Struct:
		d.structure(n, v)
	case reflect.Slice:
		d.slice(n, v)
	case reflect.Map:
		d.mapping(n, v)
	case reflect.String:
		if d.Scalar(n, "text") {
			v.SetString(n.Value)
		}
	case reflect.Bool:
		if d.tagged(n, "true or false", "!!bool") {
			v.SetBool(strings.EqualFold(n.Value, "true"))
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.integer(n, v)
	case reflect.Float32, reflect.Float64:
		d.float(n, v)
	default:
		panic("strictyaml: cannot decode into " + t.String())
	}
}

func (d *Decoder) structure(n *yaml.Node, v reflect.Value) {
	fields := fieldsOf(v.Type())
	if fields.pos >= 0 {
		v.Field(fields.pos).Set(reflect.ValueOf(d.Pos(n)))
	}
	for key, value := range d.Entries(n) {
		i, ok := fields.byKey[key.Value]
		if !ok {
			known := slices.Sorted(maps.Keys(fields.byKey))
			hint := suggest.DidYouMean(key.Value, slices.Values(known))
			switch {
			case hint != "":
			case n.Style&yaml.FlowStyle != 0 && isNull(value) && strings.Contains(key.Value, " "):
				hint = ": text with a comma in it must be quoted here" // {text: One, two.} has the key "two."
			default:
				hint = ", known here: " + strings.Join(known, ", ")
			}
			d.Errorf(key, "unknown key %q%s", key.Value, hint)
			continue
		}
		d.value(value, v.Field(i))
	}
}

// Entries ranges over the keys and values of a mapping. It reports anything that is no mapping, and passes over
// keys that were reported already.
func (d *Decoder) Entries(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if n.Kind != yaml.MappingNode {
			d.want(n, "a mapping")
			return
		}
		seen := make(map[string]bool, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || isMerge(key) || seen[key.Value] {
				continue
			}
			seen[key.Value] = true
			if !yield(key, n.Content[i+1]) {
				return
			}
		}
	}
}

func (d *Decoder) slice(n *yaml.Node, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.want(n, "a list")
		return
	}
	s := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		d.value(c, s.Index(i))
	}
	v.Set(s)
}

func (d *Decoder) mapping(n *yaml.Node, v reflect.Value) {
	if isNull(n) {
		return
	}
	t := v.Type()
	if t.Key().Kind() != reflect.String {
		panic("strictyaml: cannot decode into " + t.String())
	}
	m := reflect.MakeMap(t)
	for key, value := range d.Entries(n) {
		e := reflect.New(t.Elem()).Elem()
		d.value(value, e)
		m.SetMapIndex(reflect.ValueOf(key.Value).Convert(t.Key()), e)
	}
	v.Set(m)
}

// decimal leaves out what YAML 1.1 reads in base 8, 2 or 16, and digits grouped by underscores: 0755 is a
// mistake more often than it is 493.
var decimal = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)

func (d *Decoder) integer(n *yaml.Node, v reflect.Value) {
	if !d.tagged(n, "a whole number", "!!int") {
		return
	}
	i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
	if err != nil || !decimal.MatchString(n.Value) {
		d.Errorf(n, "%q is not a whole decimal number of %d bits", n.Value, v.Type().Bits())
		return
	}
	v.SetInt(i)
}

func (d *Decoder) float(n *yaml.Node, v reflect.Value) {
	if !d.tagged(n, "a number", "!!int", "!!float") {
		return
	}
	f, err := strconv.ParseFloat(n.Value, v.Type().Bits())
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		d.Errorf(n, "%q is not a decimal number", n.Value)
		return
	}
	v.SetFloat(f)
}

// Scalar reports whether n is a scalar that is not null, and reports the mistake if it is not; want says what
// was expected, such as "a date".
func (d *Decoder) Scalar(n *yaml.Node, want string) bool {
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		return true
	}
	if n.Kind != yaml.AliasNode { // an alias was reported by check
		d.want(n, want)
	}
	return false
}

func (d *Decoder) tagged(n *yaml.Node, want string, tags ...string) bool {
	if n.Kind == yaml.ScalarNode && slices.Contains(tags, n.Tag) {
		return true
	}
	d.want(n, want)
	return false
}

func (d *Decoder) want(n *yaml.Node, want string) {
	d.Errorf(n, "want %s, this is %s", want, describe(n))
}

// describe says what n is, in words.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	case yaml.ScalarNode, yaml.DocumentNode:
	}
	value := n.Value
	if utf8.RuneCountInString(value) > 40 {
		value = string([]rune(value)[:40]) + "..."
	}
	switch n.Tag {
	case "!!null":
		return "empty"
	case "!!bool", "!!int", "!!float":
		return strings.TrimPrefix(n.Tag, "!!") + " " + value
	default:
		return fmt.Sprintf("the text %q", value)
	}
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Tag == "!!merge"
}
