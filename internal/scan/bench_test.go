package scan_test

import (
	"bytes"
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/valyala/fastjson"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/generate"
	"github.com/demarc/demarc/internal/scan"
)

// estateSize is resources: enough for what is done once not to matter much, few enough for a benchmark.
const estateSize = 3000

// BenchmarkAssess assesses a generated estate of each format from memory, and tells how many MB/s that is of those of
// fastjson decoding each document, in the same run. Run it on one processor, -cpu 1.
func BenchmarkAssess(b *testing.B) {
	for _, f := range generate.Formats {
		b.Run(string(f), func(b *testing.B) { benchmarkAssess(b, f) })
	}
}

func benchmarkAssess(b *testing.B, f generate.Format) {
	rules, err := book()
	if err != nil {
		b.Fatal(err)
	}
	e := generate.Estate{Format: f, Resources: estateSize, Accounts: 10, Seed: 1}
	declared, err := estate.Parse("demarc.yaml", generate.Declarations(1, []generate.Format{f}, 10), rules.Parties())
	if err != nil {
		b.Fatal(err)
	}
	files, err := e.Files()
	if err != nil {
		b.Fatal(err)
	}
	var texts [][]byte
	size := 0
	for file := range files {
		var text bytes.Buffer
		if err := file.Write(&text); err != nil {
			b.Fatal(err)
		}
		texts = append(texts, text.Bytes())
		size += text.Len()
	}
	envelopes := rules.EnvelopeIndex()
	sources := func() []scan.Source {
		var out []scan.Source
		for _, text := range texts {
			in := file.Input{Path: "-", Named: true, Source: &demarc.Source{Name: "estate", Input: "-"}}
			out = append(out, &file.Source{Input: in, Stdin: bytes.NewReader(text), Envelopes: envelopes})
		}
		return out
	}
	documents := &held{}
	for _, s := range sources() {
		if err := s.Collect(context.Background(), documents); err != nil {
			b.Fatal(err)
		}
	}
	var decoding time.Duration
	var decoded int
	decode := func() {
		var p fastjson.Parser
		begin := time.Now()
		for _, body := range documents.bodies {
			if _, err := p.ParseBytes(body); err != nil {
				b.Fatal(err)
			}
			decoded += len(body)
		}
		decoding += time.Since(begin)
	}
	assess := func() {
		found := 0
		result, err := scan.Run(context.Background(), scan.Config{Book: rules, Estate: declared, AsOf: asOf, Sources: sources()})
		if err != nil {
			b.Fatal(err)
		}
		for range result.Findings() { // they are judged as they are gone through
			found++
		}
		if result.Incomplete() || found < estateSize/2 {
			b.Fatalf("%d resources; something could not be read: %v", found, result.Notes.Kept)
		}
		if err := result.Close(); err != nil {
			b.Fatal(err)
		}
	}
	assess() // compiles the conditions
	decode()
	decoding, decoded = 0, 0
	b.SetBytes(int64(size))
	b.ReportAllocs()
	var before, after runtime.MemStats
	var allocations uint64
	for b.Loop() {
		b.StopTimer()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		assess()
		b.StopTimer()
		runtime.ReadMemStats(&after)
		allocations += after.Mallocs - before.Mallocs
		decode()
		b.StartTimer()
	}
	each := b.Elapsed().Seconds() / float64(b.N)
	mbps := float64(decoded) / 1e6 / decoding.Seconds()
	b.ReportMetric(1e6*each/estateSize, "µs/resource")
	b.ReportMetric(float64(allocations)/float64(b.N)/estateSize, "allocs/resource")
	b.ReportMetric(100*float64(size)/1e6/each/mbps, "%ofdecode")
}

// held is documents in memory.
type held struct{ bodies [][]byte }

func (h *held) Document(_ context.Context, d demarc.Document) error {
	h.bodies = append(h.bodies, bytes.Clone(d.Body))
	return nil
}

func (h *held) Note(demarc.Note) {}
