package scan_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/scan"
)

// TestImagesOfOthers asks whose the images in the answer to a call of a known account are: others who own some are no accounts of
// the tenant's, and what they do with them is not for the tenant to mend.
func TestImagesOfOthers(t *testing.T) {
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "images.json")
	images := `{"Images":[
		{"ImageId":"ami-0a","Name":"own","OwnerId":"111122223333","Public":true},
		{"ImageId":"ami-0b","Name":"shared","OwnerId":"444455556666","Public":true},
		{"ImageId":"ami-0c","Name":"shared privately","OwnerId":"444455556666","Public":false},
		{"ImageId":"ami-0d","Name":"published","OwnerId":"777788889999","ImageOwnerAlias":"amazon","Public":true}]}`
	if err := os.WriteFile(path, []byte(images), 0o600); err != nil {
		t.Fatal(err)
	}
	inputs, _, err := file.Find(t.Context(), path, demarc.Source{Name: "calls", Declared: true, Account: "111122223333", Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	result, err := scan.Run(context.Background(), scan.Config{
		Book: b, Estate: &estate.Estate{}, AsOf: asOf, Sources: []scan.Source{&file.Source{Input: inputs[0], Envelopes: b.EnvelopeIndex()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = result.Close() })
	got := map[string]string{}
	for a := range result.Answers() {
		id := string(a.Resource.ID)
		called := a.Resource.Account + " " + id[strings.LastIndexByte(id, ':')+1:]
		if got[called] = ""; a.Resource.Service != "aws/ami" {
			continue
		}
		for _, c := range a.Checks {
			if c.ID == "aws/ami/not-public" {
				got[called] = string(c.Result)
			}
		}
	}
	want := map[string]string{
		"111122223333 root":         "",
		"111122223333 image/ami-0a": string(demarc.CheckFail),
		"111122223333 image/ami-0b": string(demarc.CheckUnknown),
		"111122223333 image/ami-0c": string(demarc.CheckPass),
		"111122223333 image/ami-0d": string(demarc.CheckNotApplicable),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
