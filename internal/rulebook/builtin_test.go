package rulebook_test

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/strictyaml"
)

func builtIn(t testing.TB, above ...fs.FS) *rulebook.Rulebook {
	t.Helper()
	b, err := rulebook.BuiltIn(above...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDecodedWhenAskedFor holds that it makes no difference whether a catalog is decoded at once or as it is asked for, by
// many at a time and in whatever order.
func TestDecodedWhenAskedFor(t *testing.T) {
	whole, err := rulebook.Load(catalog.Files)
	if err != nil {
		t.Fatal(err)
	}
	book := builtIn(t)
	var all []*rulebook.TypeRef
	for _, s := range whole.Services() {
		all = append(all, s.Types...)
	}
	var group sync.WaitGroup
	for k := range 4 {
		group.Go(func() {
			for i := range all {
				want := all[(i*7919+k*len(all)/4)%len(all)]
				if want.Envelope != nil || want.Context != "" || want.Has != "" {
					continue // below
				}
				if got := book.Find(want.Dialect, strings.ToUpper(want.Type)); got == nil || got.Service.ID != want.Service.ID {
					t.Errorf("type %s of %s leads to %v, want %s", want.Type, want.Dialect, got, want.Service.ID)
				}
			}
		})
	}
	group.Go(func() { // while archetypes are decoded for those
		if s := book.Unclassified("aws"); s == nil || len(book.Archetypes()) != len(whole.Archetypes()) {
			t.Errorf("what is not in the catalog is %v", s)
		}
	})
	group.Wait()
	for _, d := range demarc.Dialects {
		got, want := book.Places(d), whole.Places(d)
		if len(got) != len(want) {
			t.Fatalf("%d types of %s, want %d", len(got), d, len(want))
		}
		for i := range got {
			g, w := got[i].Ref(), want[i].Ref()
			if g.Type != w.Type || g.Pos != w.Pos || g.Service.ID != w.Service.ID {
				t.Errorf("place %d of %s is %s of %s, want %s of %s", i, d, got[i].Type, got[i].Service, want[i].Type, want[i].Service)
			}
		}
	}
	if !reflect.DeepEqual(rulebook.Detach(whole), rulebook.Detach(book)) {
		t.Error("the services are not the same")
	}
	if !reflect.DeepEqual(whole.Archetypes(), book.Archetypes()) || !reflect.DeepEqual(whole.Duties(), book.Duties()) {
		t.Error("the archetypes or the duties are not the same")
	}
	if whole.Digest() != book.Digest() || len(book.Digest()) != 64 {
		t.Errorf("digests %s and %s", whole.Digest(), book.Digest())
	}
	if whole.Service("nowhere/nothing") != nil || book.Service("nowhere/nothing") != nil || book.Service("unclassified") != book.Unclassified("nobody") {
		t.Error("services that are not in the catalog")
	}
}

// What a user's catalog takes the place of is looked up at once, in those services of the built-in one too that draw on it.
func TestOverrideBuiltIn(t *testing.T) {
	const service = "service: aws/%s\ntitle: Ours\nmodel: paas\narchetype: network\ntypes: {awsconfig: [%s]}\n"
	of := func(name, typ string) fstest.MapFS {
		return fstest.MapFS{"own/" + name + ".yaml": {Data: fmt.Appendf(nil, service, name, typ)}}
	}
	ours := builtIn(t, of("acm", "Own::Certificate"))
	if got := ours.Find(demarc.AWSConfig, "Own::Certificate"); got == nil || got.Service.Title != "Ours" {
		t.Errorf("the user's type leads to %v", got)
	}
	if got := ours.Find(demarc.AWSConfig, "AWS::ACM::Certificate"); got != nil {
		t.Errorf("a type of the service that was replaced leads to %v", got)
	}
	if got := ours.Find(demarc.AWSConfig, "AWS::RDS::DBInstance"); got == nil {
		t.Error("a service beside it is not found")
	}
	if len(ours.ServiceIDs()) != len(builtIn(t).ServiceIDs()) {
		t.Errorf("%d services", len(ours.ServiceIDs()))
	}

	again := builtIn(t, of("acm", "Own::Certificate"))
	again.Services() // what was decoded is no part of the digest
	if ours.Digest() != again.Digest() || ours.Digest() == builtIn(t).Digest() {
		t.Error("the digest does not name what was read")
	}

	// A security group without facts: aws/ec2 draws one through its relation.
	_, err := rulebook.BuiltIn(of("security-group", "Own::Group"))
	var faults strictyaml.Errors
	if !errors.As(err, &faults) || !strings.Contains(err.Error(), "aws/security-group has no fact") {
		t.Errorf("a service that lacks what others draw from it: %v", err)
	}
	_, err = rulebook.BuiltIn(of("mine", "AWS::RDS::DBInstance"))
	if err == nil || !strings.Contains(err.Error(), "own/mine.yaml:5:21: type AWS::RDS::DBInstance of dialect awsconfig is already aws/rds") {
		t.Errorf("a type that the built-in catalog has: %v", err)
	}
}

// BenchmarkBuiltIn reads the catalog for a run that meets a twentieth of it, and whole.
func BenchmarkBuiltIn(b *testing.B) {
	used := builtIn(b).ServiceIDs()
	b.Run("used", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			book := builtIn(b)
			book.EnvelopeIndex()
			book.Find(demarc.Terraform, "aws_instance")
			for i := 0; i < len(used); i += 20 {
				book.Service(used[i])
			}
		}
	})
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			builtIn(b).Services()
		}
	})
}
