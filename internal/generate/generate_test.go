package generate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/generate"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/scan"
)

func estateOf(f generate.Format, resources int) generate.Estate {
	return generate.Estate{Format: f, Resources: resources, Accounts: 3, Seed: 7}
}

// written returns the files of an estate by name.
func written(t *testing.T, e generate.Estate) map[string][]byte {
	t.Helper()
	files, err := e.Files()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for f := range files {
		var b bytes.Buffer
		if err := f.Write(&b); err != nil {
			t.Fatal(err)
		}
		if out[f.Name] != nil {
			t.Fatalf("two files are called %s", f.Name)
		}
		out[f.Name] = b.Bytes()
	}
	return out
}

func TestSameSeedSameBytes(t *testing.T) {
	for _, f := range generate.Formats {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			first, again := written(t, estateOf(f, 500)), written(t, estateOf(f, 500))
			for name, text := range first {
				if !bytes.Equal(text, again[name]) {
					t.Errorf("%s differs the second time", name)
				}
				if err := isJSON(text); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			var one, other bytes.Buffer
			e := estateOf(f, 500)
			if err := e.Write(&one); err != nil {
				t.Fatal(err)
			}
			e.Seed++
			if err := e.Write(&other); err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(one.Bytes(), other.Bytes()) {
				t.Error("another seed gives the same bytes")
			}
		})
	}
}

// TestCompressed holds that a compressed estate is the same estate, and that its bytes are the same each time.
func TestCompressed(t *testing.T) {
	book, err := rulebook.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	plain := written(t, estateOf(generate.AWSConfig, 200))
	for _, pack := range []generate.Pack{generate.Gzip, generate.Zstd} {
		e := estateOf(generate.AWSConfig, 200)
		e.Pack = pack
		first, again := written(t, e), written(t, e)
		if len(first) != len(plain) {
			t.Errorf("%s: %d files, want %d", pack, len(first), len(plain))
		}
		for name, text := range first {
			if whole := plain[strings.TrimSuffix(name, "."+string(pack))]; len(text) >= len(whole) || !bytes.Equal(text, again[name]) {
				t.Errorf("%s: %d bytes of %d, the same again: %t", name, len(text), len(whole), bytes.Equal(text, again[name]))
			}
		}
		result, err := scan.Run(t.Context(), scan.Config{Book: book, Estate: &estate.Estate{}, AsOf: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Sources: sources(t, e, book)})
		if err != nil {
			t.Fatal(err)
		}
		if result.Documents != 200 || result.Incomplete() {
			t.Errorf("%s: %d documents are read, want 200: %v", pack, result.Documents, result.Notes.Kept)
		}
		result.Close()
	}
}

// isJSON reports whether text is one JSON value, or one a line.
func isJSON(text []byte) error {
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var v json.RawMessage
		if err := d.Decode(&v); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("%w near %d", err, d.InputOffset())
		}
	}
}

// lines are those of which both sides must occur in an estate of a format.
var lines = map[generate.Format][]string{
	generate.AWSConfig: {
		"aws/dynamodb/point-in-time-recovery", "aws/ebs/not-encrypted", "aws/ebs/provider-key", "aws/ec2/bare-metal", "aws/ec2/dedicated-hardware", "aws/ec2/on-outpost",
		"aws/ecs-service/external-instances", "aws/ecs-service/fargate", "aws/iam-role/service-linked", "aws/kms/external-key-store", "aws/kms/imported-material", "aws/kms/provider-key",
		"aws/lambda/container-image", "aws/lambda/os-only-runtime", "aws/rds/backups-on", "aws/rds/custom-oracle", "aws/rds/minor-upgrades-on", "aws/rds/not-encrypted", "aws/s3/provider-key", "aws/s3/service-key", "aws/subnet/on-outpost",
	},
	generate.AWSAPI:         {"aws/ec2/managed-by-service", "aws/ec2/bare-metal", "aws/ebs/not-encrypted", "aws/rds/minor-upgrades-on", "aws/rds/backups-on", "aws/lambda/container-image"},
	generate.CloudFormation: {"aws/rds/minor-upgrades-on", "aws/rds/backups-on", "aws/s3/service-key", "aws/lambda/container-image", "aws/ec2/bare-metal"},
	generate.ResourceGraph:  {"azure/aks/automatic-mode", "azure/aks/nodes-by-hand", "azure/disk/customer-key", "azure/storage/customer-managed-key", "azure/app-service/custom-container"},
	generate.CloudAsset:     {"gcp/cloud-sql/automated-backups", "gcp/cloud-sql/customer-key", "gcp/disk/customer-key", "gcp/gke/autopilot", "gcp/gke/nodes-repaired", "gcp/kms-key/held-outside"},
	generate.Kubernetes:     {"kubernetes/node/eks-auto-mode"},
	generate.OpenStack:      {"openstack/volume/encrypted"},
	generate.VSphere:        {"vsphere/vm/encrypted"},
	generate.TerraformPlan:  {"aws/rds/minor-upgrades-on", "aws/rds/backups-on", "aws/lambda/container-image", "aws/ec2/bare-metal"},
	generate.TerraformState: {"aws/rds/minor-upgrades-on", "aws/rds/backups-on", "aws/ebs/not-encrypted", "aws/ec2/dedicated-hardware"},
}

// TestAssessed holds that demarc understands all that is generated, with what the organization declares, and that the settings
// lie on both sides of the lines.
func TestAssessed(t *testing.T) {
	book, err := rulebook.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	asOf := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for _, f := range generate.Formats {
		t.Run(string(f), func(t *testing.T) {
			e := estateOf(f, 1500)
			declared, err := estate.Parse("demarc.yaml", generate.Declarations(e.Seed, []generate.Format{f}, e.Accounts), book.Parties())
			if err != nil {
				t.Fatal(err)
			}
			if len(declared.Exceptions) != generate.Exceptions || len(declared.Engagements) != generate.Engagements {
				t.Errorf("%d exceptions and %d engagements", len(declared.Exceptions), len(declared.Engagements))
			}
			result, err := scan.Run(context.Background(), scan.Config{Book: book, Estate: declared, AsOf: asOf, Workers: 2, Sources: sources(t, e, book)})
			if err != nil {
				t.Fatal(err)
			}
			defer result.Close()
			if n := result.Resources; n < e.Resources*3/5 || n > e.Resources+20 {
				t.Errorf("%d resources, want about %d", n, e.Resources)
			}
			for _, n := range result.Notes.Kept {
				switch n.Kind {
				case demarc.NoteEstate, demarc.NoteAmbiguous, demarc.NoteSkipped, demarc.NoteStale:
				default:
					t.Errorf("%s: %s: %s", n.Kind, n.Pos.Input, n.Message)
				}
			}
			seen := sides(result, asOf)
			t.Logf("%d resources, %s", result.Resources, strings.Join(seen, " "))
			for _, line := range lines[f] {
				if !slices.Contains(seen, line) {
					t.Errorf("line %s lacks a side", line)
				}
			}
		})
	}
}

func sources(t *testing.T, e generate.Estate, book *rulebook.Rulebook) []scan.Source {
	t.Helper()
	var out []scan.Source
	for name, text := range written(t, e) {
		in := file.Input{Path: "-", Named: true, Source: &demarc.Source{Name: "estate", Input: name}}
		out = append(out, &file.Source{Input: in, Stdin: bytes.NewReader(text), Envelopes: book.EnvelopeIndex()})
	}
	return out
}

// sides returns the lines that apply to some resources and do not apply to others.
func sides(result *scan.Result, asOf time.Time) []string {
	type both struct{ yes, no bool }
	found := map[string]*both{}
	for f := range result.Findings() {
		item := f.Item
		for _, l := range item.Service.Lines {
			id := string(item.Service.ID) + "/" + l.ID
			if found[id] == nil {
				found[id] = &both{}
			}
			switch l.When.Eval(item.Service, &item.Facts, asOf).Truth {
			case rulebook.True:
				found[id].yes = true
			case rulebook.False:
				found[id].no = true
			case rulebook.Unknown:
			}
		}
	}
	var out []string
	for id, b := range found {
		if b.yes && b.no {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}
