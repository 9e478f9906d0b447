package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/generate"
	"github.com/demarc/demarc/internal/rulebook"
)

func TestGenerateCommand(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if err := command(context.Background(), []string{"generate", "--resources", "20", "--accounts", "2", "--dialect", "openstack,graph", "-o", dir}, &out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"demarc.yaml", "openstack", "graph"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for _, args := range [][]string{{}, {"measure"}, {"generate"}, {"generate", "--dialect", "cobol", "-o", dir}, {"run", "--cpus", "none"}} {
		if err := command(context.Background(), args, io.Discard); err == nil {
			t.Errorf("command(%q) succeeded", args)
		}
	}
}

// TestMultiplied holds that the multiplied catalog is one that demarc reads.
func TestMultiplied(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "catalog")
	if err := multiply(dir, 1); err != nil {
		t.Fatal(err)
	}
	one, err := rulebook.Load(catalog.Files)
	if err != nil {
		t.Fatal(err)
	}
	two, err := rulebook.Load(catalog.Files, os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(two.Services()) != 2*len(one.Services()) {
		t.Errorf("%d services, want twice %d", len(two.Services()), len(one.Services()))
	}
}

// TestBurdened holds that services can be given more checks, that each has as many as were wanted and that they are all
// different, and that demarc and what it is compared with can evaluate them.
func TestBurdened(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "estate")
	if _, _, err := (generate.Estate{Format: generate.AWSConfig, Resources: 60, Seed: 1}).WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	own, err := rulebook.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	sources, _, err := sourcesOf(t.Context(), own, []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	docs, err := sampleOf(t.Context(), sources)
	if err != nil {
		t.Fatal(err)
	}
	burdened := filepath.Join(t.TempDir(), "catalog")
	if err := burden(burdened, docs.services(own), 36); err != nil {
		t.Fatal(err)
	}
	book, err := rulebook.BuiltIn(os.DirFS(burdened))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range docs.services(book) {
		if n := len(s.Lines) + len(s.Checks); n < 36 {
			t.Errorf("%s has %d lines and checks", s.ID, n)
		}
		if err := s.Compile(); err != nil {
			t.Error(err)
		}
		seen := map[string]bool{}
		for _, c := range s.Checks {
			if strings.HasPrefix(c.ID, "bench-") && seen[c.Pass.Text] {
				t.Errorf("%s asks twice for %s", s.ID, c.Pass.Text)
			}
			seen[c.Pass.Text] = true
		}
	}
	if r, err := mapAndCEL(docs, book, 1000); err != nil || r.Evaluated < 36*60 {
		t.Errorf("%d conditions: %v", r.Evaluated, err)
	}
}

// TestEnlarged holds that an enlarged catalog is read as the one that is built in, and makes the same ready.
func TestEnlarged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "catalog")
	if err := enlarge(dir, 2); err != nil {
		t.Fatal(err)
	}
	files, err := held(dir)
	if err != nil {
		t.Fatal(err)
	}
	large, err := makeReady(files)
	if err != nil {
		t.Fatal(err)
	}
	usual, err := makeReady(catalog.Files)
	if err != nil {
		t.Fatal(err)
	}
	if large.Compiled != usual.Compiled || usual.Compiled < 50 {
		t.Errorf("%d conditions are compiled, want %d", large.Compiled, usual.Compiled)
	}
	book, err := rulebook.Indexed(files)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(book.Services()); n != len(book.ServiceIDs()) {
		t.Errorf("%d services of %d", n, len(book.ServiceIDs()))
	}
}

// TestMapAndCEL holds that what demarc is compared with finds the service of every document and evaluates its conditions.
func TestMapAndCEL(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := (generate.Estate{Format: generate.AWSConfig, Resources: 60, Seed: 1}).WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	book, err := rulebook.Load(catalog.Files)
	if err != nil {
		t.Fatal(err)
	}
	sources, _, err := sourcesOf(context.Background(), book, []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	docs, err := sampleOf(context.Background(), sources)
	if err != nil {
		t.Fatal(err)
	}
	r, err := mapAndCEL(docs, book, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if r.Documents != 60 || r.Evaluated < 300 {
		t.Errorf("%d documents, %d conditions", r.Documents, r.Evaluated)
	}
}

func TestPlot(t *testing.T) {
	f := formatReport{Format: "awsconfig", Bytes: 1e6, Decode: rate{Bytes: 1e9, CPU: time.Second}, On: []onReport{{CPUs: 1, CPU: time.Millisecond}}}
	r := &measurements{
		Formats: []formatReport{f}, OPA: &opaReport{Checks: 17, OPA: process{CPU: time.Second}, Demarc: process{CPU: time.Millisecond}},
		Growth: []growthReport{
			{What: everything, CPUs: 1, Resources: 1000, Wall: time.Second, CPU: time.Second, PerResource: 5, Allocations: 30, PeakMemory: 1 << 26},
			{What: everything, CPUs: 2, Resources: 1000, Wall: time.Second, CPU: time.Second, PerResource: 6, Allocations: 31, PeakMemory: 1 << 26},
			{What: everything, CPUs: 1, Resources: 11000, Wall: 10 * time.Second, CPU: 10 * time.Second, PerResource: 5, Allocations: 10, PeakMemory: 1 << 26},
			{What: everything, CPUs: 2, Resources: 11000, Wall: 5 * time.Second, CPU: 10 * time.Second, PerResource: 6, Allocations: 11, PeakMemory: 1 << 26},
			{What: plain, CPUs: 1, Resources: 1000, CPU: time.Second, PerResource: 4, PeakMemory: 1 << 25},
		},
		Start: startReport{FirstOutput: time.Millisecond, Ready: []readyReport{{Services: 400, CPU: time.Millisecond}, {Services: 4000, CPU: time.Millisecond}}},
	}
	for _, picture := range [][]byte{plotFormats(r), plotGrowth(r), plotGrowth(&measurements{})} {
		for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v\n%s", err, picture)
			}
		}
		if bytes.Contains(picture, []byte("NaN")) || bytes.Contains(picture, []byte("Inf")) {
			t.Errorf("the picture has a place that is none:\n%s", picture)
		}
	}
	var out strings.Builder
	if err := r.table(&out); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"awsconfig", "10000 resources more", " 8.0\n", "2.00 x"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, out.String())
		}
	}
}
