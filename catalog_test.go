package demarc_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/demarc/demarc/internal/rulebook"
)

var update = flag.Bool("update", false, "write the index of the catalog anew")

// TestIndex holds that the index of the catalog is the one that its files give.
func TestIndex(t *testing.T) {
	files := os.DirFS("catalog")
	want, err := rulebook.Index(files)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range want {
		if *update {
			if err := os.WriteFile(filepath.Join("catalog", filepath.FromSlash(name)), text, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := fs.ReadFile(files, name); err != nil || !bytes.Equal(got, text) {
			t.Errorf("catalog/%s is not what the catalog gives: `go generate ./catalog` writes it anew", name)
		}
	}
}
