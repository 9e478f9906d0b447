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
	d := xml.NewDecoder(bytes.NewReader(plot(&report{Formats: []formatReport{f}})))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := (&report{Formats: []formatReport{f}}).table(&out); err != nil || !strings.Contains(out.String(), "awsconfig") {
		t.Errorf("table: %v\n%s", err, out.String())
	}
}
