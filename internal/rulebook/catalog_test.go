package rulebook_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/strictyaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

// base is a catalog without faults, for services to stand on: an archetype "plain" in which the operator holds every
// duty but guest.patching and network.firewall, which are the tenant's.
func base() fstest.MapFS {
	return fstest.MapFS{
		"providers.yaml":               {Data: []byte("providers:\n  aws: {title: A Cloud, kind: provider, roles: {site: aws, host: aws, operator: aws, supplier: aws}}\n")},
		"archetypes/unclassified.yaml": {Data: archetype("unclassified")},
		"archetypes/plain.yaml":        {Data: archetype("plain")},
	}
}

func archetype(id string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "archetype: %s\ntitle: A plain thing\nabout: Everything is somebody's.\nmodel: paas\nduties:\n", id)
	for _, d := range demarc.Duties {
		row := "{holder: operator, part: Does it., source: page}"
		if d == "guest.patching" || d == "network.firewall" {
			row = "{holder: tenant, part: Do it., source: page}"
		}
		fmt.Fprintf(&b, "  %s: %s\n", d, row)
	}
	b.WriteString("sources:\n  page: {url: \"https://example.com/page\", section: All, read: 2026-11-23, says: All is said.}\n")
	return []byte(b.String())
}

// mistakes loads and proves a catalog, as `demarc catalog lint` does.
func mistakes(t *testing.T, systems ...fs.FS) strictyaml.Errors {
	t.Helper()
	book, err := rulebook.Load(systems...)
	var all, more strictyaml.Errors
	if err != nil && !errors.As(err, &all) {
		t.Fatalf("Load: %v is no list of mistakes", err)
	}
	if err := book.Lint(); err != nil && !errors.As(err, &more) {
		t.Fatalf("Lint: %v is no list of mistakes", err)
	}
	all = append(all, more...)
	if all.Err() == nil {
		return nil
	}
	return all
}

// TestFaults finds every planted fault, at its place, and all those of all files at once.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no faults are planted", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			system := base()
			want := -1
			for i, f := range ar.Files {
				if f.Name == "want" {
					want = i
				} else {
					system[f.Name] = &fstest.MapFile{Data: f.Data}
				}
			}
			got := ""
			if m := mistakes(t, system); m != nil {
				got = m.Error() + "\n"
			}
			if *update {
				if want < 0 {
					ar.Files = append(ar.Files, txtar.File{Name: "want"})
					want = len(ar.Files) - 1
				}
				ar.Files[want].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want < 0 {
				t.Fatalf("%s says not what is wanted", file)
			}
			if diff := cmp.Diff(string(ar.Files[want].Data), got); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
			if got == "" {
				t.Error("the planted fault is not found")
			}
		})
	}
}

func TestTheBaseHasNoFault(t *testing.T) {
	if m := mistakes(t, base()); m != nil {
		t.Error(m)
	}
}

func TestBuiltInCatalogIsProven(t *testing.T) {
	if m := mistakes(t, catalog.Files); m != nil {
		t.Error(m)
	}
}

// A missing row is a fault of the archetype, whichever it is: the catalog is total or it is refused.
func TestEveryRowIsNeeded(t *testing.T) {
	whole := string(archetype("plain"))
	for _, d := range demarc.Duties {
		var kept []string
		for line := range strings.Lines(whole) {
			if !strings.HasPrefix(line, "  "+string(d)+":") {
				kept = append(kept, line)
			}
		}
		system := base()
		system["archetypes/plain.yaml"] = &fstest.MapFile{Data: []byte(strings.Join(kept, ""))}
		m := mistakes(t, system)
		if len(m) != 1 || !strings.Contains(m[0].Msg, "no row for "+string(d)) || m[0].Line != 1 {
			t.Errorf("without a row for %s: %v", d, m)
		}
	}
}

// A user's catalog may override a service and an archetype; its own services may not be there twice.
func TestOverride(t *testing.T) {
	const service = "service: aws/thing\ntitle: %s\nmodel: paas\narchetype: plain\ntypes: {awsconfig: [AWS::Thing]}\n"
	builtIn, own := base(), fstest.MapFS{"anywhere/thing.yaml": {Data: fmt.Appendf(nil, service, "Ours")}}
	builtIn["aws/thing.yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil, service, "Theirs")}
	if m := mistakes(t, builtIn, own); m != nil {
		t.Fatal(m)
	}
	book, err := rulebook.Load(builtIn, own)
	if err != nil {
		t.Fatal(err)
	}
	if got := book.Find(demarc.AWSConfig, "aws::thing").Service.Title; got != "Ours" || len(book.Services()) != 1 {
		t.Errorf("the type leads to %q of %d services, want Ours of 1", got, len(book.Services()))
	}
	own["anywhere/again.yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil, service, "Again")}
	if m := mistakes(t, builtIn, own); len(m) != 1 || !strings.Contains(m[0].Msg, "aws/thing is there twice") {
		t.Errorf("a service twice in one catalog: %v", m)
	}
}
