package demarc_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/demarc/demarc"

// mayImport is what each package may import of ours, besides package demarc, which all may. "X/*" stands for the
// packages below X; "*" for every package but cli. A package that is not here may not exist: adding one is a decision.
var mayImport = map[string][]string{
	".":            {},
	"catalog":      {},
	"examples":     {},
	"client":       {},
	"cmd/bench":    {"*", "internal/cli"},
	"cmd/demarc":   {"internal/cli"},
	"internal/cli": {"*"},

	// Leaves, which know nothing of ours: docs/decisions/0001-leaf-packages.md says why they exist.
	"internal/address":    {},
	"internal/jscan":      {},
	"internal/spill":      {},
	"internal/strictyaml": {"internal/suggest"},
	"internal/suggest":    {},

	"internal/policy":   {"internal/address", "internal/jscan"},
	"internal/rule":     {"internal/address", "internal/policy", "internal/suggest"},
	"internal/rulebook": {"catalog", "internal/rule", "internal/strictyaml", "internal/suggest"},
	"internal/estate":   {"internal/rule", "internal/strictyaml", "internal/suggest"},

	"internal/inventory":      {"internal/estate", "internal/jscan", "internal/rulebook", "internal/spill"},
	"internal/responsibility": {"internal/estate", "internal/inventory", "internal/rule", "internal/rulebook"},
	"internal/assess":         {"internal/estate", "internal/inventory", "internal/responsibility", "internal/rule", "internal/rulebook"},
	"internal/scan":           {"internal/assess", "internal/estate", "internal/inventory", "internal/responsibility", "internal/rulebook", "internal/spill"},

	"internal/collect":    {},
	"internal/collect/*":  {"internal/collect", "internal/jscan"},
	"internal/evidence":   {"internal/rulebook"},
	"internal/evidence/*": {"internal/evidence", "internal/jscan", "internal/rulebook"},
	"internal/generate":   {}, // estates of any size, for benchmarks and tests

	"internal/store":    {},
	"internal/store/*":  {"internal/store"},
	"internal/report":   {},
	"internal/report/*": {"internal/report"},
	"internal/web":      {},
	"internal/web/*":    {"internal/web"},
	"internal/api":      {"client"},
	"internal/auth":     {},
}

// onlyIn says which packages a library of others may be imported by.
var onlyIn = map[string][]string{
	"cel.dev/":                    {"internal/rule"},
	"github.com/google/cel-go":    {"internal/rule"},
	"html/template":               {"internal/web", "internal/web/*", "internal/report/*"},
	"database/sql":                {"internal/store", "internal/store/*"},
	"modernc.org/":                {"internal/store"},
	"github.com/jackc/":           {"internal/store", "internal/store/*"},
	"github.com/pressly/":         {"internal/store"},
	"github.com/spf13/cobra":      {"internal/cli"},
	"github.com/klauspost/":       {"internal/cli", "internal/collect/*", "internal/generate"},
	"github.com/aws/":             {"internal/collect/*"},
	"github.com/Azure/":           {"internal/collect/*"},
	"cloud.google.com/":           {"internal/collect/*"},
	"k8s.io/":                     {"internal/collect/*"},
	"github.com/vmware/":          {"internal/collect/*"},
	"github.com/gophercloud/":     {"internal/collect/*"},
	"github.com/microsoftgraph/":  {"internal/collect/*"},
	"github.com/mattn/go-runewid": {"internal/report/*"},
	"github.com/parquet-go/":      {"internal/report/*"},
	"github.com/danielgtaylor/":   {"internal/api"},
	"github.com/coreos/go-oidc":   {"internal/auth"},
	"golang.org/x/oauth2":         {"internal/auth"},
	"github.com/alexedwards/scs":  {"internal/auth"},
	"github.com/prometheus/":      {"internal/api"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

// TestImports holds the arrows of the design: each package imports only what the table allows.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := relative(p.ImportPath)
		allowed, ok := rowOf(name)
		if !ok {
			t.Errorf("package %s is not in the table of imports", name)
			continue
		}
		for _, path := range p.Imports {
			switch {
			case path == module:
			case path == module+"/"+relative(path):
				if to := relative(path); !permits(allowed, to) {
					t.Errorf("%s imports %s; it may import %v", name, to, allowed)
				}
			case name == "." && strings.Contains(strings.SplitN(path, "/", 2)[0], "."):
				t.Errorf("package demarc imports %s; it may import the standard library only", path)
			default:
				for prefix, where := range onlyIn {
					if strings.HasPrefix(path, prefix) && !permits(where, name) {
						t.Errorf("%s imports %s, which belongs in %v", name, path, where)
					}
				}
			}
		}
	}
}

// relative returns the path of a package within the module, "." for its root and for what is not ours.
func relative(path string) string {
	if rest, ok := strings.CutPrefix(path, module+"/"); ok {
		return rest
	}
	return "."
}

// rowOf returns the row of a package: its own, or that of the nearest folder above it.
func rowOf(name string) ([]string, bool) {
	if row, ok := mayImport[name]; ok {
		return row, true
	}
	for at := name; strings.Contains(at, "/"); {
		at = at[:strings.LastIndexByte(at, '/')]
		if row, ok := mayImport[at+"/*"]; ok {
			return row, true
		}
	}
	return nil, false
}

func permits(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		folder, below := strings.CutSuffix(p, "/*")
		return p == name || p == "*" && name != "internal/cli" || below && strings.HasPrefix(name, folder+"/")
	})
}
