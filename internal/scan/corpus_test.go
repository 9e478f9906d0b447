package scan_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/report/ndjson"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/scan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// corpus returns the folder of real files by other people: named by DEMARC_INPUTS, or beside the project.
func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("DEMARC_INPUTS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "inputs")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the real files are not read: %v", err)
	}
	return dir
}

// dialectFolders are those of the corpus that hold inventories, templates, plans and states. What is in the others
// is evidence, or nothing that an inventory is made of.
var dialectFolders = []string{
	"arm_template", "aws_config", "aws_describe", "azure_arg", "azure_rest", "cloudformation", "gcp_api", "gcp_cai", "heat",
	"k8s_list", "k8s_manifest", "m365", "openstack_api", "tf_plan", "tf_state",
}

const fileDeadline = 20 * time.Second

// TestCorpus assesses every real file by itself: none may break it, and none hangs it.
func TestCorpus(t *testing.T) {
	dir := corpus(t)
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	env := b.EnvelopeIndex()
	type count struct{ files, assessed, unclassified, refused, denied, passedOver, resources int }
	var mu sync.Mutex
	counts := map[string]*count{}
	reasons := map[string]int{}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, kind := range dialectFolders {
		c := &count{}
		counts[kind] = c
		err := filepath.WalkDir(filepath.Join(dir, kind), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			group.Go(func() error {
				ctx, cancel := context.WithTimeout(t.Context(), fileDeadline)
				defer cancel()
				started := time.Now()
				inputs, _, err := file.Find(t.Context(), path, demarc.Source{Name: path})
				if err != nil {
					return err
				}
				result, err := scan.Run(ctx, scan.Config{Book: b, Estate: &estate.Estate{}, AsOf: asOf, Workers: 1, Sources: sourcesOf(inputs, env)})
				if err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				defer result.Close()
				if took := time.Since(started); took > fileDeadline || result.Interrupted {
					t.Errorf("%s takes %v", path, took)
				}
				mu.Lock()
				defer mu.Unlock()
				c.files++
				c.resources += result.Resources
				known := false
				for f := range result.Findings() {
					known = known || f.Item.Service.ID != "unclassified" && !f.Item.Resource.Implied
				}
				switch {
				case known || result.Parts > 0:
					c.assessed++
				case result.Resources > 0:
					c.unclassified++
				case result.Notes.Count[demarc.NoteRefused] > 0:
					c.refused++
					for _, n := range result.Notes.Kept {
						reasons[kind+": "+n.Message[:min(len(n.Message), 110)]]++
					}
				case result.Notes.Count[demarc.NoteDenied] > 0:
					c.denied++
				default:
					c.passedOver++
				}
				return nil
			})
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, kind := range dialectFolders {
		c := counts[kind]
		t.Logf("%-15s %4d files: %4d assessed, %3d of unknown types only, %3d refused, %2d denied, %3d with nothing in them; %6d resources", kind, c.files, c.assessed, c.unclassified, c.refused, c.denied, c.passedOver, c.resources)
	}
	if testing.Verbose() {
		var list []string
		for text, n := range reasons {
			list = append(list, fmt.Sprintf("%4d %s", n, text))
		}
		slices.Sort(list)
		t.Logf("refused:\n%s", strings.Join(list, "\n"))
	}
}

func sourcesOf(inputs []file.Input, env file.Envelopes) []scan.Source {
	out := make([]scan.Source, 0, len(inputs))
	for _, in := range inputs {
		out = append(out, &file.Source{Input: in, Envelopes: env})
	}
	return out
}

// output is the machine contract of a run over inputs, and everything that it tells.
func output(t *testing.T, workers int, memory int64, inputs []file.Input) string {
	t.Helper()
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	result, err := scan.Run(t.Context(), scan.Config{Book: b, Estate: &estate.Estate{}, AsOf: asOf, Workers: workers, Memory: memory, Sources: sourcesOf(inputs, b.EnvelopeIndex())})
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	var out strings.Builder
	err = ndjson.Write(&out, demarc.Run{AsOf: asOf}, result.Answers())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range result.Notes.Kept {
		fmt.Fprintln(&out, n)
	}
	for _, d := range result.Drift.Kept {
		fmt.Fprintln(&out, d)
	}
	fmt.Fprintln(&out, result.Documents, result.Parts, result.Notes.Count)
	return out.String()
}

// TestSameBytes holds that neither the number of workers nor the order of inputs, nor whether what was read fits in memory
// or not at all, changes a byte of what comes out: over the documents of all proofs of the catalog at once, which are of every dialect and speak of the same few accounts.
func TestSameBytes(t *testing.T) {
	proofs, err := rulebook.Proofs(catalog.Files)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, p := range proofs {
		for i := range p.Cases {
			body, err := p.Cases[i].Body()
			if err != nil {
				t.Fatal(err)
			}
			ext := ".json"
			if p.Cases[i].Document == nil {
				ext = ".yaml"
			}
			name := fmt.Sprintf("%s_%02d%s", strings.ReplaceAll(strings.TrimSuffix(p.File, "_test.yaml"), "/", "_"), i, ext)
			if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	inputs, _, err := file.Find(t.Context(), dir, demarc.Source{Name: "in"})
	if err != nil {
		t.Fatal(err)
	}
	want := output(t, 1, 1<<30, inputs)
	if n := strings.Count(want, "\n"); n < len(inputs)/2 {
		t.Fatalf("%d files come to %d lines", len(inputs), n)
	}
	for _, workers := range []int{1, 2, 7} {
		shuffled := slices.Clone(inputs)
		rand.New(rand.NewPCG(1, uint64(workers))).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		got := output(t, workers, 1, shuffled)
		if got == want {
			continue
		}
		g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				t.Fatalf("%d workers, line %d:\n%s\nwant\n%s", workers, i, g[i], w[i])
			}
		}
		t.Fatalf("%d workers: %d lines, want %d", workers, len(g), len(w))
	}
}

// TestRefusedInOrder holds that what is told of inputs of which none could be read is in their order, before anybody goes through
// findings.
func TestRefusedInOrder(t *testing.T) {
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range 40 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.yaml", i)), fmt.Appendf(nil, "member%d: of nothing that is known\n", i%4), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inputs, _, err := file.Find(t.Context(), dir, demarc.Source{Name: "in"})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(inputs)
	result, err := scan.Run(t.Context(), scan.Config{Book: b, Estate: &estate.Estate{}, AsOf: asOf, Workers: 4, Sources: sourcesOf(inputs, b.EnvelopeIndex())})
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	var told []string
	for _, n := range result.Notes.Kept {
		told = append(told, filepath.Base(n.Pos.Input))
	}
	if len(told) != 4*inventory.KeptPlaces || !slices.IsSorted(told) || told[0] != "00.yaml" {
		t.Errorf("told of %v, want the first of each kind in order", told)
	}
}

// A run that is interrupted ends with what was read by then, says so, and leaves nothing behind.
func TestInterrupted(t *testing.T) {
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result, err := scan.Run(ctx, scan.Config{Book: b, Estate: &estate.Estate{}, AsOf: asOf, Workers: 2, Sources: []scan.Source{endless{cancel}, endless{cancel}}})
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	if !result.Interrupted || !result.Incomplete() || result.Documents == 0 {
		t.Errorf("interrupted %v, %d documents", result.Interrupted, result.Documents)
	}
}

// endless brings one bucket after the other, and ends the context after some.
type endless struct{ cancel func() }

func (e endless) Collect(ctx context.Context, to scan.Sink) error {
	source := &demarc.Source{Name: "endless"}
	for i := int64(0); ; i++ {
		if i == 20_000 {
			e.cancel()
		}
		body := fmt.Appendf(nil, `{"resourceType":"AWS::S3::Bucket","resourceId":"b%d","ARN":"arn:aws:s3:::b%d","configuration":{}}`, i, i)
		if err := to.Document(ctx, demarc.Document{Dialect: demarc.AWSConfig, Body: body, Source: source, Sequence: i}); err != nil {
			return err
		}
	}
}
