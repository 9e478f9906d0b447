package file

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect"
	"github.com/demarc/demarc/internal/jscan"
)

// framer takes the text of one input apart into documents.
type framer struct {
	s        *Source
	to       collect.Sink
	ctx      context.Context //nolint:containedctx // lives as long as one Collect
	sequence int64
	base     int64            // where the text that offsets count from begins
	line     int              // of YAML: where the document begins; then offsets mean nothing
	depth    int              // of what is taken apart within each other
	alike    map[string]*plan // plans of objects that are documents by themselves, by their keys
}

const (
	maxAlike    = 256  // sets of keys whose plan is remembered
	maxAlikeKey = 2000 // bytes of such a set
	maxWrapped  = 8    // arrays, recordings and strings of JSON within each other
	maxModules  = 100  // modules of Terraform within each other
)

// refuse notes that the input, or a document in it, could not be understood.
func (f *framer) refuse(err error) {
	if syntax, ok := errors.AsType[*jscan.SyntaxError](err); ok {
		f.refuseAt(f.base+syntax.Offset, fmt.Sprintf("expected %s, found %s", syntax.Expected, syntax.Found))
		return
	}
	f.refuseAt(-1, err.Error())
}

func (f *framer) refuseAt(offset int64, message string) {
	p := f.s.pos(offset)
	if f.line > 0 {
		p.Offset, p.Line = -1, f.line
	}
	f.to.Note(demarc.Note{Kind: demarc.NoteRefused, Pos: p, Message: message})
}

// place is a position in the text, in lines where it is YAML.
func (f *framer) place(offset int64) demarc.Position {
	if f.line > 0 {
		return demarc.Position{Input: f.s.Input.Path, Offset: -1, Line: f.line}
	}
	return f.s.pos(f.base + offset)
}

func (f *framer) emit(p *plan, m member, body []byte, offset int64) error {
	d := demarc.Document{
		Dialect: p.dialect, Form: m.form, Envelope: m.envelope, Context: p.context, Summary: p.summary, More: p.more,
		Body: body, Source: f.s.Input.Source, Pos: f.place(offset), Sequence: f.sequence,
	}
	if p.form != demarc.FormResource {
		d.Form = p.form
	}
	f.sequence++
	if err := f.to.Document(f.ctx, d); err != nil {
		return stopError{err}
	}
	return nil
}

// buffers are reused: a directory may hold a hundred thousand small files.
var (
	buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, sniffed) }}
	blocks  = sync.Pool{New: func() any { b := make([]byte, blockSize); return &b }}
)

const maxKeptBlock = 4 << 20 // bytes: one that grew to a document larger than that is not reused

// read takes the whole input.
func (f *framer) read(in io.Reader) error {
	outer := buffers.Get().(*bufio.Reader) // the pool holds nothing else
	outer.Reset(in)
	defer func() {
		outer.Reset(nil)
		buffers.Put(outer)
	}()
	r, err := opened(outer)
	if err != nil {
		return err
	}
	var head, text []byte
	for {
		if head, err = r.Peek(sniffed); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if text = bytes.TrimLeft(head, " \t\r\n"); len(text) > 0 {
			break
		}
		if len(head) < sniffed {
			f.refuseAt(0, "the input is empty")
			return nil
		}
		f.base += int64(len(head)) // nothing but space so far
		if _, err := r.Discard(len(head)); err != nil {
			return err
		}
	}
	if len(text) > 0 && text[0] == 0 {
		f.refuseAt(f.base, binary)
		return nil
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" {
		f.refuseAt(0, "a tar archive: give its files")
		return nil
	}
	if text[0] != '{' && text[0] != '[' || bytes.HasPrefix(text, []byte("[command]")) {
		skip := preamble(head)
		if skip < 0 && f.s.Prior {
			f.refuseAt(0, noPlan)
			return nil
		}
		if skip < 0 {
			return f.yaml(r)
		}
		if _, err := r.Discard(skip); err != nil {
			return err
		}
		f.base += int64(skip)
	}
	return f.json(r)
}

// preamble returns how many bytes of whole lines come before JSON: a log line, as CI systems put before the output of
// `terraform show`. It returns -1 if the text does not look like that.
func preamble(head []byte) int {
	if bytes.HasPrefix(head, []byte("---")) || bytes.HasPrefix(head, []byte("apiVersion")) || bytes.HasPrefix(head, []byte("#")) {
		return -1
	}
	at := 0
	for range 5 {
		i := bytes.IndexByte(head[at:], '\n')
		if i < 0 {
			return -1
		}
		first := bytes.TrimSpace(head[at : at+i])
		if bytes.HasSuffix(first, []byte(":")) || !utf8.Valid(first) || bytes.ContainsRune(first, 0) {
			return -1 // a key of YAML whose value follows, or no text
		}
		at += i + 1
		rest := head[at:]
		if len(rest) > 1 && (rest[0] == '{' && (rest[1] == '"' || rest[1] == '\n' || rest[1] == '\r') || rest[0] == '[' && (rest[1] == '{' || rest[1] == '\n')) {
			return at
		}
	}
	return -1
}

// json goes through a text of one or many JSON values.
func (f *framer) json(r *bufio.Reader) error {
	head, err := r.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	first := recogniseText(head[:min(len(head), glanced)], f.s.Envelopes)
	if !first.sure && len(head) > glanced {
		first = recogniseText(head, f.s.Envelopes)
	}
	if (first.refuse != "" || first.dialect == "") && bytes.Contains(head, []byte("/")) {
		if p := recogniseText(withoutComments(head), f.s.Envelopes); p.whole { // a template that begins with a comment
			first = p
		}
	}
	if first.whole && f.s.Prior {
		f.refuseAt(f.base, noPlan)
		return nil
	}
	if first.whole {
		return f.template(r, &first)
	}
	buf := blocks.Get().(*[]byte) // the pool holds nothing else
	d := jscan.NewDecoderIn(r, *buf)
	defer func() {
		if *buf = d.Buffer(); len(*buf) <= maxKeptBlock {
			blocks.Put(buf)
		}
	}()
	for n := 0; ; n++ {
		c, err := d.Kind()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p := first
		switch {
		case n > 0: // each may be of another kind
			var raw []byte
			var offset int64
			var ok bool
			if raw, offset, ok, err = f.document(d); ok {
				if err := f.one(raw, offset); err != nil {
					return err
				}
			}
		case c == '[':
			err = f.array(d)
		case c != '{':
			return &jscan.SyntaxError{Offset: d.Offset(), Expected: "an object or an array", Found: fmt.Sprintf("%q", c)}
		default:
			err = f.object(d, &p)
		}
		if err != nil && (d.Depth() > 0 || !f.resume(d, err)) {
			return err
		}
	}
}

// recogniseText says what the object is that a text begins with; an array says nothing.
func recogniseText(text []byte, env Envelopes) plan {
	if text = bytes.TrimLeft(text, " \t\r\n"); len(text) > 0 && text[0] == '[' {
		return plan{}
	}
	return recognise(sketchOf(text), env)
}

// value takes the next value whole; ok is false if it is too large, which is told.
func (f *framer) value(d *jscan.Decoder) (raw []byte, offset int64, ok bool, err error) {
	return f.take(d, d.Value)
}

// document is value for one of many that lie side by side.
func (f *framer) document(d *jscan.Decoder) (raw []byte, offset int64, ok bool, err error) {
	return f.take(d, d.Document)
}

func (f *framer) take(d *jscan.Decoder, next func(limit int) ([]byte, error)) (raw []byte, offset int64, ok bool, err error) {
	if _, err := d.Kind(); err != nil {
		return nil, 0, false, err
	}
	offset = d.Offset()
	raw, err = next(MaxDocument)
	if errors.Is(err, jscan.ErrTooLarge) {
		f.refuseAt(f.base+offset, fmt.Sprintf("a document of more than %d MiB", MaxDocument>>20))
		return nil, offset, false, nil
	}
	return raw, offset, err == nil, err
}

// array goes through a top-level array: its elements are documents of one kind, or bodies of several.
func (f *framer) array(d *jscan.Decoder) error { return f.each(d, f.one) }

// each calls take with every element of the array that comes next. One that is too large is passed over, and told.
func (f *framer) each(d *jscan.Decoder, take func(raw []byte, offset int64) error) error {
	if err := d.Enter(); err != nil {
		return err
	}
	for {
		var raw []byte
		var offset int64
		ok := false
		more, err := d.Next()
		if err == nil && !more {
			return nil
		}
		if err == nil {
			raw, offset, ok, err = f.document(d)
		}
		if err != nil && !f.resume(d, err) {
			return err
		}
		if !ok {
			continue
		}
		if err := take(raw, offset); err != nil {
			return err
		}
	}
}

// resume goes on behind a document that is broken, which is told, if the next one can be found.
func (f *framer) resume(d *jscan.Decoder, err error) bool {
	if _, ok := errors.AsType[*jscan.SyntaxError](err); !ok || !d.Resume() {
		return false
	}
	f.refuse(err)
	return true
}

// one takes one of many values. Most of them are documents by themselves, and like the others: what an object is is
// asked once for each set of keys.
func (f *framer) one(raw []byte, offset int64) error {
	if raw[0] != '{' {
		return f.inMemory(raw, offset)
	}
	var buf [maxAlikeKey]byte
	keys := buf[:0]
	jscan.RawMembers(raw, func(key, _ []byte) bool {
		keys = append(append(keys, key...), 0)
		return len(keys) < maxAlikeKey
	})
	p := f.alike[string(keys)]
	if p == nil {
		own := recogniseText(raw, f.s.Envelopes)
		if own.dialect == "" || own.dialect == demarc.Graph || own.members != nil || own.whole || own.form == demarc.FormError {
			return f.within(raw, offset, &own)
		}
		p = &own
		if len(f.alike) < maxAlike && len(keys) < maxAlikeKey {
			if f.alike == nil {
				f.alike = map[string]*plan{}
			}
			f.alike[string(keys)] = p
		}
	}
	return f.emit(p, member{}, raw, offset)
}

// inMemory takes apart a value that is already held.
func (f *framer) inMemory(raw []byte, offset int64) error { return f.within(raw, offset, nil) }

// within is inMemory for an object whose plan may be known.
func (f *framer) within(raw []byte, offset int64, p *plan) error {
	outer := f.base
	f.base += offset
	f.depth++
	defer func() {
		f.base = outer
		f.depth--
	}()
	var err error
	switch {
	case f.depth > maxWrapped:
		f.refuseAt(f.base, fmt.Sprintf("expected at most %d arrays or recordings within each other", maxWrapped))
		return nil
	case raw[0] == '[':
		err = f.array(jscan.DecodeBytes(raw))
	case raw[0] == '{':
		if p == nil {
			own := recogniseText(raw, f.s.Envelopes)
			p = &own
		}
		if p.whole {
			return f.whole(p, raw)
		}
		err = f.object(jscan.DecodeBytes(raw), p)
	default:
		f.refuseAt(f.base, "expected an object, found "+string(raw[:min(len(raw), 20)]))
		return nil
	}
	if _, ok := errors.AsType[*jscan.SyntaxError](err); ok {
		f.refuse(err) // the values around it are still good
		return nil
	}
	return err
}

// quoted takes what a string holds.
func (f *framer) quoted(raw []byte, offset int64) error {
	text, is := jscan.IsString(raw)
	inner := bytes.TrimSpace([]byte(text))
	switch {
	case !is || len(inner) == 0:
		return nil
	case inner[0] == '{' && jscan.Valid(inner) == nil:
		return f.inMemory(inner, offset)
	case f.depth > maxWrapped:
		f.refuseAt(f.base, fmt.Sprintf("expected at most %d arrays or recordings within each other", maxWrapped))
		return nil
	}
	line := f.line
	f.depth++
	defer func() {
		f.line = line
		f.depth--
	}()
	return f.yaml(bufio.NewReader(bytes.NewReader(inner)))
}

// object goes through a top-level object by its plan.
func (f *framer) object(d *jscan.Decoder, p *plan) error {
	if f.s.Prior {
		p = prior(p)
	}
	switch {
	case p.refuse != "":
		f.refuseAt(f.base+d.Offset(), p.refuse)
		return d.Skip()
	case p.denied != "":
		f.to.Note(demarc.Note{Kind: demarc.NoteDenied, Pos: f.place(d.Offset()), Message: p.denied})
		raw, offset, ok, err := f.value(d)
		if err != nil || !ok || p.form != demarc.FormError {
			return err
		}
		return f.emit(p, member{}, raw, offset)
	case p.nothing:
		return d.Skip()
	case p.members == nil:
		raw, offset, ok, err := f.document(d)
		if err != nil || !ok {
			return err
		}
		return f.emit(p, member{}, raw, offset)
	}
	if err := d.Enter(); err != nil {
		return err
	}
	var planned []byte // planned_values or prior_state, until it is known whether there are resource_changes
	var plannedAt int64
	changes, tooLarge := false, false
	for {
		more, err := d.Next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		key, err := d.Key()
		if err != nil {
			return err
		}
		m, ok := p.members[key]
		if !ok {
			if err := d.Skip(); err != nil {
				return err
			}
			continue
		}
		c, err := d.Kind()
		if err != nil {
			return err
		}
		switch {
		case m.form == demarc.FormPlanValues || m.form == demarc.FormStateValues && m.prior:
			plannedAt = d.Offset()
			raw, err := d.Value(MaxDocument)
			if err != nil && !errors.Is(err, jscan.ErrTooLarge) {
				return err
			}
			planned, tooLarge = bytes.Clone(raw), err != nil
		case m.modules && c == '{':
			err = f.modules(d, p, m, 0)
		case m.each && c == '[':
			changes = changes || m.form == demarc.FormPlanChange
			err = f.elements(d, p, m)
		case p.table && c == '{':
			err = f.table(d, p, m)
		default:
			raw, offset, ok, verr := f.value(d)
			switch {
			case verr != nil:
				return verr
			case ok && m.recorded:
				err = f.inMemory(raw, offset)
			case ok && m.quoted:
				err = f.quoted(raw, offset)
			case ok && !jscan.IsNull(raw):
				err = f.emit(p, m, raw, offset)
			}
		}
		if err != nil {
			return err
		}
	}
	if tooLarge && !changes {
		f.refuseAt(f.base+plannedAt, fmt.Sprintf("planned values of more than %d MiB", MaxDocument>>20))
	}
	if planned != nil && !changes {
		outer := f.base
		f.base += plannedAt
		defer func() { f.base = outer }()
		if f.s.Prior {
			if planned = jscan.Member(planned, "values", false); jscan.IsNull(planned) { // nothing was there
				return nil
			}
			return f.modules(jscan.DecodeBytes(planned), p, member{form: demarc.FormStateValues, modules: true}, 0)
		}
		return f.modules(jscan.DecodeBytes(planned), p, p.members["planned_values"], 0)
	}
	if f.s.Prior && !changes {
		f.refuseAt(f.base, noPlan)
	}
	return nil
}

func (f *framer) elements(d *jscan.Decoder, p *plan, m member) error {
	return f.each(d, func(raw []byte, offset int64) error {
		if m.prior {
			raw = beforeChange(raw)
		}
		if raw == nil || jscan.IsNull(raw) {
			return nil
		}
		return f.emit(p, m, raw, offset)
	})
}

// modules goes through {"root_module": {"resources": [...], "child_modules": [...]}}.
func (f *framer) modules(d *jscan.Decoder, p *plan, m member, depth int) error {
	if depth > maxModules {
		f.refuseAt(f.base+d.Offset(), fmt.Sprintf("expected at most %d modules within each other", maxModules))
		return d.Skip()
	}
	if err := d.Enter(); err != nil {
		return err
	}
	for {
		more, err := d.Next()
		if err != nil || !more {
			return err
		}
		key, err := d.Key()
		if err != nil {
			return err
		}
		c, err := d.Kind()
		if err != nil {
			return err
		}
		switch {
		case key == "root_module" && c == '{':
			err = f.modules(d, p, m, depth+1)
		case key == "resources" && c == '[':
			err = f.elements(d, p, m)
		case key == "child_modules" && c == '[':
			if err = d.Enter(); err != nil {
				return err
			}
			for {
				more, nerr := d.Next()
				if nerr != nil {
					return nerr
				}
				if !more {
					break
				}
				if err := f.modules(d, p, m, depth+1); err != nil {
					return err
				}
			}
		default:
			err = d.Skip()
		}
		if err != nil {
			return err
		}
	}
}

// table turns the rows of a Resource Graph result in table form into objects.
func (f *framer) table(d *jscan.Decoder, p *plan, m member) error {
	raw, offset, ok, err := f.value(d)
	if err != nil || !ok {
		return err
	}
	if err := jscan.Valid(raw); err != nil {
		return err
	}
	var names []string
	jscan.Elements(jscan.Member(raw, "columns", true), func(c []byte) bool {
		name, _ := jscan.IsString(jscan.Member(c, "name", true))
		names = append(names, name)
		return true
	})
	rows := bytes.Clone(jscan.Member(raw, "rows", true))
	var out error
	jscan.Elements(rows, func(row []byte) bool {
		body := map[string]json.RawMessage{}
		i := 0
		jscan.Elements(row, func(cell []byte) bool {
			if i < len(names) {
				body[names[i]] = json.RawMessage(cell)
			}
			i++
			return true
		})
		if body["id"] == nil && body["type"] == nil {
			f.refuseAt(f.base+offset, "a Resource Graph result without ids or types: a summary, not an inventory")
			return false
		}
		text, err := json.Marshal(body)
		if err == nil {
			err = f.emit(p, m, text, offset)
		}
		out = err
		return err == nil
	})
	return out
}

// template takes a template whole, with its comments and line breaks in strings, which ARM allows.
func (f *framer) template(r io.Reader, p *plan) error {
	text, err := io.ReadAll(io.LimitReader(r, maxTemplate+1))
	if err != nil {
		return err
	}
	if len(text) > maxTemplate { // what lies beyond has not been read
		return f.whole(p, text)
	}
	if err := jscan.Valid(text); err != nil {
		plain := withoutComments(text)
		if jscan.Valid(plain) != nil {
			return err
		}
		text = plain
	}
	return f.whole(p, text)
}

// whole hands over a template.
func (f *framer) whole(p *plan, text []byte) error {
	if len(text) > maxTemplate {
		f.refuseAt(f.base, fmt.Sprintf("a template of more than %d MiB", maxTemplate>>20))
		return nil
	}
	return f.emit(p, member{}, text, 0)
}

// withoutComments replaces // and /* comments by spaces and line breaks inside strings by \n, which moves offsets
// but loses nothing.
func withoutComments(text []byte) []byte {
	out := make([]byte, 0, len(text)+64)
	inString := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case inString && c == '\\' && i+1 < len(text):
			out = append(out, c, text[i+1])
			i++
		case inString && c == '\n':
			out = append(out, '\\', 'n')
		case inString && c == '\r':
		case inString && c == '\t':
			out = append(out, '\\', 't')
		case c == '"':
			inString = !inString
			out = append(out, c)
		case !inString && c == '/' && i+1 < len(text) && text[i+1] == '/':
			for i < len(text) && text[i] != '\n' {
				i++
			}
			out = append(out, '\n')
		case !inString && c == '/' && i+1 < len(text) && text[i+1] == '*':
			end := bytes.Index(text[i+2:], []byte("*/"))
			if end < 0 {
				return out
			}
			i += end + 3
		case !inString && c == ',' && closes(text[i+1:]):
			// a comma before a closing bracket
		default:
			out = append(out, c)
		}
	}
	return out
}

func closes(rest []byte) bool {
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(rest) > 0 && (rest[0] == '}' || rest[0] == ']')
}
