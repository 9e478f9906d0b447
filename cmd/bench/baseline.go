package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fastjson"
	"golang.org/x/sync/errgroup"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/scan"
)

// sample is documents of an estate, held in memory, as the source frames them.
type sample struct {
	documents []demarc.Document
	bytes     int64
}

const sampleBytes = 24 << 20

var errEnough = errors.New("enough")

// Document implements scan.Sink.
func (s *sample) Document(_ context.Context, d demarc.Document) error {
	d.Body = append([]byte(nil), d.Body...)
	s.documents = append(s.documents, d)
	if s.bytes += int64(len(d.Body)); s.bytes >= sampleBytes {
		return errEnough
	}
	return nil
}

// Note implements scan.Sink.
func (s *sample) Note(demarc.Note) {}

func sampleOf(ctx context.Context, sources []scan.Source) (*sample, error) {
	s := &sample{}
	for _, src := range sources {
		if err := src.Collect(ctx, s); errors.Is(err, errEnough) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// services returns the services that the documents are of.
func (s *sample) services(book *rulebook.Rulebook) []*rulebook.Service {
	var out []*rulebook.Service
	for i := range s.documents {
		d := &s.documents[i]
		var doc map[string]any
		if json.Unmarshal(d.Body, &doc) != nil {
			continue
		}
		if ref := refOf(book, d, doc); ref != nil && !slices.Contains(out, ref.Service) {
			out = append(out, ref.Service)
		}
	}
	return out
}

// rate is what a pass over a sample takes.
type rate struct {
	Documents int           `json:"documents"`
	Bytes     int64         `json:"bytes"`
	CPU       time.Duration `json:"cpu"`
	Wall      time.Duration `json:"wall,omitempty"`
	Evaluated int64         `json:"evaluated,omitempty"` // conditions
}

func (r rate) megabytes() float64   { return ratio(float64(r.Bytes)/1e6, r.CPU.Seconds()) }
func (r rate) throughput() float64  { return ratio(float64(r.Bytes)/1e6, r.Wall.Seconds()) }
func (r rate) perDocument() float64 { return ratio(r.CPU.Seconds()*1e6, float64(r.Documents)) }

// decodeOnly is the limit: every document whole, into an arena that is used again. fastjson is lax: it takes escapes
// and numbers as they come, and demarc does not.
func decodeOnly(s *sample, workers int, atLeast time.Duration) (rate, error) {
	var r rate
	begin, started := processorTime(), time.Now()
	var group errgroup.Group
	var rounds atomic.Int64
	for range workers {
		group.Go(func() error {
			var p fastjson.Parser
			for time.Since(started) < atLeast {
				for i := range s.documents {
					if _, err := p.ParseBytes(s.documents[i].Body); err != nil {
						return err
					}
				}
				rounds.Add(1)
			}
			return nil
		})
	}
	err := group.Wait()
	n := rounds.Load()
	r.Documents, r.Bytes = int(n)*len(s.documents), n*s.bytes
	r.CPU, r.Wall = processorTime()-begin, time.Since(started)
	return r, err
}

// mapAndCEL is what one would write first: encoding/json into maps, facts taken from them by path, and each condition of
// the service of the document evaluated by CEL. It knows no relations, parts, defaults or parties, so it does less than
// demarc does.
func mapAndCEL(s *sample, book *rulebook.Rulebook, limit int) (rate, error) {
	var r rate
	compiled := map[*rulebook.Service]bool{}
	var took time.Duration
	for i := range s.documents[:min(limit, len(s.documents))] {
		d := &s.documents[i]
		begin := processorTime()
		var doc map[string]any
		if err := json.Unmarshal(d.Body, &doc); err != nil {
			return r, err
		}
		ref := refOf(book, d, doc)
		if ref != nil && !compiled[ref.Service] { // compiling is not what is compared
			took += processorTime() - begin
			compiled[ref.Service] = true
			if err := ref.Service.Compile(); err != nil {
				return r, err
			}
			begin = processorTime()
		}
		if ref != nil {
			r.Evaluated += evaluate(ref, doc)
		}
		took += processorTime() - begin
		r.Documents, r.Bytes = r.Documents+1, r.Bytes+int64(len(d.Body))
	}
	r.CPU = took
	return r, nil
}

// refOf finds the type of a document whose dialect says it in the document itself; nil for the others.
func refOf(book *rulebook.Rulebook, d *demarc.Document, doc map[string]any) *rulebook.TypeRef {
	text := func(key string) string { s, _ := doc[key].(string); return s }
	switch d.Dialect { // the others say it by where they lie
	case demarc.AWSConfig:
		return book.Find(d.Dialect, text("resourceType"))
	case demarc.CAI:
		return book.Find(d.Dialect, text("asset_type")+text("assetType"))
	case demarc.ARM, demarc.Terraform:
		return book.Find(d.Dialect, text("type"))
	case demarc.Kubernetes:
		kind := text("kind")
		if group, _, ok := strings.Cut(text("apiVersion"), "/"); ok {
			kind = group + "/" + kind
		}
		return book.Find(d.Dialect, kind)
	default:
		member := d.Envelope
		if d.Dialect == demarc.Graph {
			member = d.Context
		}
		for _, p := range book.Envelopes(d.Dialect, member) {
			return p.Ref()
		}
		return nil
	}
}

// evaluate takes the facts of a document and evaluates the conditions over them. It returns how many there were.
func evaluate(ref *rulebook.TypeRef, doc map[string]any) int64 {
	svc := ref.Service
	facts := make(rulebook.FactList, len(svc.Facts))
	for i := range facts {
		facts[i].Origin = demarc.Absent
	}
	root := any(doc)
	if change, ok := doc["change"].(map[string]any); ok {
		root = change["after"]
	}
	for _, f := range ref.Facts {
		if v := valueAt(root, f.Path, &svc.Facts[f.Fact]); !v.IsZero() {
			facts[f.Fact] = demarc.Fact{Value: v}
		}
	}
	var n int64
	eval := func(c *rulebook.Condition) rulebook.Result {
		n++
		return c.Eval(svc, facts, asOf)
	}
	for i := range svc.Facts {
		if c := svc.Facts[i].Derive; c != nil {
			if r := eval(c); !r.Value.IsZero() {
				facts[i] = demarc.Fact{Value: r.Value}
			}
		}
	}
	for _, l := range svc.Lines {
		eval(l.When)
	}
	for _, c := range svc.Checks {
		if c.Applies != nil {
			eval(c.Applies)
		}
		eval(c.Pass)
	}
	return n
}

// valueAt follows a path through maps, and converts what is there to the type of the fact.
func valueAt(root any, path rulebook.Path, f *rulebook.Fact) demarc.Value {
	for _, alt := range path {
		found := []any{root}
		for _, k := range alt.Keys {
			found = step(found, rulebook.Step{Kind: rulebook.StepKey, Key: k})
		}
		for _, s := range alt.Rest {
			found = step(found, s)
		}
		switch {
		case alt.Asked == rulebook.WhetherSet:
			return demarc.Bool(len(found) > 0)
		case len(found) > 0:
			return convert(f, found)
		}
	}
	return demarc.Value{}
}

func step(from []any, s rulebook.Step) []any {
	var out []any
	for _, v := range from {
		switch s.Kind {
		case rulebook.StepKey:
			m, _ := v.(map[string]any)
			x, ok := m[s.Key]
			if !ok {
				for k, y := range m {
					if strings.EqualFold(k, s.Key) {
						x, ok = y, true
						break
					}
				}
			}
			if ok && x != nil {
				out = append(out, x)
			}
		case rulebook.StepEach:
			list, _ := v.([]any)
			out = append(out, list...)
		case rulebook.StepPick:
			list, _ := v.([]any)
			for _, e := range list {
				if m, _ := e.(map[string]any); m != nil && m[s.Key] == s.Value {
					out = append(out, e)
				}
			}
		case rulebook.StepJSON:
			var inner any
			if text, ok := v.(string); ok && json.Unmarshal([]byte(text), &inner) == nil {
				out = append(out, inner)
			}
		}
	}
	return out
}

func convert(f *rulebook.Fact, found []any) demarc.Value {
	if f.Type == demarc.TypeRecords || f.Type == demarc.TypeStrings || f.Type == demarc.TypeInts {
		var list []demarc.Value
		for _, v := range found {
			elements, ok := v.([]any)
			if !ok {
				elements = []any{v}
			}
			for _, e := range elements {
				list = append(list, element(f, e))
			}
		}
		return demarc.List(f.Type, list...)
	}
	return scalar(f.Type, f.Map, found[0])
}

func element(f *rulebook.Fact, v any) demarc.Value {
	if f.Type != demarc.TypeRecords {
		return scalar(f.Type.Element(), f.Map, v)
	}
	fields := map[string]demarc.Value{}
	for i := range f.Fields {
		x := &f.Fields[i]
		value := valueAt(v, x.Path, &rulebook.Fact{Type: x.Type, Map: x.Map})
		if value.IsZero() {
			value = x.Default
		}
		fields[x.Name] = value
	}
	return demarc.Record(fields)
}

func scalar(t demarc.Type, mapped map[string]demarc.Value, v any) demarc.Value {
	if s, ok := v.(string); ok && mapped != nil {
		return mapped[s]
	}
	switch v := v.(type) {
	case bool:
		if t == demarc.TypeBool {
			return demarc.Bool(v)
		}
	case float64:
		switch t { //nolint:exhaustive // numbers are nothing else
		case demarc.TypeInt:
			return demarc.Int(int64(v))
		case demarc.TypeNumber:
			return demarc.Number(v)
		}
	case string:
		switch t { //nolint:exhaustive // text is nothing else
		case demarc.TypeString:
			return demarc.String(v)
		case demarc.TypeDocument:
			return demarc.JSON(v)
		case demarc.TypeTime:
			if at, err := time.Parse(time.RFC3339, v); err == nil {
				return demarc.Time(at)
			}
		}
	}
	return demarc.Value{}
}
