// Package generate writes estates of any size in the providers' own formats.
//
// An estate is a function of its description: the same seed gives the same bytes. Nothing is held but the document
// that is being written, so an estate of a million resources takes no more memory than one of ten.
//
// What documents look like is in shapes, a file per format; template.go has their language. All of it is invented:
// the names of members are the providers' own, their values nobody's.
package generate

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Format is a way in which providers deliver what somebody runs.
type Format string

// The formats.
const (
	AWSConfig      Format = "awsconfig"       // AWS Config snapshots, a file per account and region
	AWSAPI         Format = "awsapi"          // pages of describe and list calls
	CloudFormation Format = "cloudformation"  // templates
	ResourceGraph  Format = "arm"             // pages of Azure Resource Graph, per subscription
	CloudAsset     Format = "cai"             // Cloud Asset Inventory, a line per asset
	Kubernetes     Format = "kubernetes"      // a List per cluster
	OpenStack      Format = "openstack"       // bodies of Nova, Neutron, Cinder and their kin
	VSphere        Format = "vsphere"         // output of the property collector
	Graph          Format = "graph"           // bodies of Microsoft Graph
	TerraformPlan  Format = "terraform-plan"  // as `terraform show -json` has them
	TerraformState Format = "terraform-state" // raw state, version 4
)

// Formats are all of them, in the order of the table above.
var Formats = []Format{AWSConfig, AWSAPI, CloudFormation, ResourceGraph, CloudAsset, Kubernetes, OpenStack, VSphere, Graph, TerraformPlan, TerraformState}

// Mix says which resources an estate is made of.
type Mix string

// The mixes. A mix that a format has nothing for is an error.
const (
	Mixed    Mix = ""         // all of them
	Plain    Mix = "plain"    // those that speak of no other and hold no policy
	Related  Mix = "related"  // those that speak of others, and the others
	Policies Mix = "policies" // those that hold policies as documents
)

// Pack is how the files of an estate are compressed: the ending of their names.
type Pack string

// The ways to compress.
const (
	Gzip Pack = "gz"
	Zstd Pack = "zst"
)

// Estate describes an estate. Its files are a function of it.
type Estate struct {
	Format    Format
	Resources int // documents that stand for a resource; parts of one are not counted
	Accounts  int // or subscriptions, projects, clusters, tenants; 0 for one. There are never more than resources
	Seed      uint64
	Mix       Mix
	Pack      Pack // how each file is compressed
	Scope     int  // resources at most that can speak of each other, and so in one file; 0 for what is usual in the format
}

// File is one file of an estate.
type File struct {
	Name  string // with slashes: "210000000042/eu-west-1/snapshot.json"
	write func(w io.Writer) error
}

// Write writes the content of the file. It may be called more than once.
func (f File) Write(w io.Writer) error { return f.write(w) }

// Files returns the files of the estate, in order.
func (e Estate) Files() (iter.Seq[File], error) {
	set, err := shapesOf(e.Format)
	if err != nil {
		return nil, err
	}
	if set, err = set.only(e.Mix); err != nil {
		return nil, err
	}
	return func(yield func(File) bool) {
		for s := range e.scopes(set) {
			for f := range set.files(s) {
				if !yield(e.Pack.packed(f)) {
					return
				}
			}
		}
	}, nil
}

// Write writes all files of the estate one after the other, a line break between them. Every format but Terraform's
// can be read back so.
func (e Estate) Write(w io.Writer) error {
	files, err := e.Files()
	if err != nil {
		return err
	}
	for f := range files {
		if err := f.Write(w); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
	}
	return nil
}

// WriteDir writes the files of the estate below a directory, and returns how many and how large they are.
func (e Estate) WriteDir(dir string) (files int, size int64, err error) {
	all, err := e.Files()
	if err != nil {
		return 0, 0, err
	}
	for f := range all {
		n, err := writeFile(filepath.Join(dir, filepath.FromSlash(f.Name)), f)
		if err != nil {
			return files, size, err
		}
		files, size = files+1, size+n
	}
	return files, size, nil
}

func writeFile(name string, f File) (size int64, err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return 0, err
	}
	out, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriterSize(out, 1<<18)
	err = f.Write(w)
	if err == nil {
		err = w.Flush()
	}
	if info, ierr := out.Stat(); ierr == nil {
		size = info.Size()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return size, err
}

func (p Pack) packed(f File) File {
	var open func(io.Writer) (io.WriteCloser, error)
	switch p {
	case Gzip:
		open = func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil } //nolint:unparam // zstd may fail
	case Zstd: // one goroutine, so that the bytes are the same everywhere
		open = func(w io.Writer) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		}
	default:
		return f
	}
	return File{Name: f.Name + "." + string(p), write: func(w io.Writer) error {
		z, err := open(w)
		if err != nil {
			return err
		}
		if err := f.Write(z); err != nil {
			return err
		}
		return z.Close()
	}}
}

// scope is the resources of one account in one region, or of one stack or cluster: those that can speak of each other.
type scope struct {
	seed    uint64
	number  int // among the scopes of the estate
	account int
	region  string
	page    int   // among the scopes of the account in the region
	count   []int // resources of each shape
}

// scopes divides the resources of the estate: accounts are of very different size, as they are in life, and have
// resources in one to three regions.
func (e Estate) scopes(set *shapeSet) iter.Seq[*scope] {
	return func(yield func(*scope) bool) {
		accounts := max(1, min(e.Accounts, e.Resources))
		left, weightLeft := e.Resources, 0.0
		weight := func(i int) float64 { return 1 / (3 + float64(i*40)/float64(accounts)) }
		for i := range accounts {
			weightLeft += weight(i)
		}
		number, limit := 0, set.limit
		if e.Scope > 0 {
			limit = e.Scope
		}
		for a := range accounts {
			n := int(float64(left)*weight(a)/weightLeft + 0.5)
			n = min(max(n, 1), left-(accounts-a-1))
			if a == accounts-1 {
				n = left
			}
			left, weightLeft = left-n, weightLeft-weight(a)
			r := rand.New(rand.NewPCG(e.Seed, uint64(a))) //nolint:gosec // the same estate each time is what is wanted
			regions := 1 + r.IntN(min(3, 1+n/200))
			first := r.IntN(len(set.regions))
			for k := range regions {
				m := n / (regions - k)
				n -= m
				for page := 0; m > 0; page++ {
					size := min(m, limit)
					m -= size
					s := &scope{seed: e.Seed, number: number, account: a, region: set.regions[(first+k)%len(set.regions)], page: page}
					s.count = set.share(size)
					number++
					if !yield(s) {
						return
					}
				}
			}
		}
	}
}

// share divides n resources among the shapes by their weights, largest remainders first, so that each that others
// speak of is there as soon as there is room.
func (s *shapeSet) share(n int) []int {
	out := make([]int, len(s.shapes))
	total := 0
	for _, x := range s.shapes {
		total += x.weight
	}
	left := n
	for i, x := range s.shapes {
		if out[i] = n * x.weight / total; x.once && x.weight > 0 {
			out[i] = min(1, left)
		}
		left -= out[i]
	}
	for i := range s.shapes { // what others speak of comes first
		if left > 0 && out[i] == 0 && s.shapes[i].weight > 0 {
			out[i]++
			left--
		}
	}
	for i := 0; left > 0; i = (i + 1) % len(s.shapes) {
		if x := s.shapes[i]; x.weight > 0 && !x.once {
			add := max(1, left*x.weight/total)
			out[i] += add
			left -= add
		}
	}
	return out
}

// files returns the files of a scope: one, or one per shape and page where the format has it so.
func (s *shapeSet) files(sc *scope) iter.Seq[File] {
	return func(yield func(File) bool) {
		if !s.apart {
			yield(File{Name: s.name(sc, nil, sc.page), write: func(w io.Writer) error { return s.writeScope(w, sc) }})
			return
		}
		for i, x := range s.shapes {
			size := s.page
			if x.single {
				size = 1
			}
			for from := 0; from < sc.count[i]; from += size {
				to := min(from+size, sc.count[i])
				f := File{Name: s.name(sc, x, from/size), write: func(w io.Writer) error { return s.writePage(w, sc, i, from, to) }}
				if !yield(f) {
					return
				}
			}
		}
	}
}

func (s *shapeSet) name(sc *scope, x *shape, page int) string {
	w := newWriter(s, sc)
	w.page = page
	t := s.file
	if x != nil {
		w.begin(x.number, 0)
		if x.file != nil {
			t = x.file
		}
	}
	w.run(t)
	return w.b.String()
}

// writeScope writes the resources of a scope into one file, those of different shapes in no order.
func (s *shapeSet) writeScope(out io.Writer, sc *scope) error {
	w := newWriter(s, sc)
	r := rand.New(rand.NewPCG(sc.seed^0x5eed, uint64(sc.number))) //nolint:gosec // the same estate each time is what is wanted
	done := make([]int, len(sc.count))
	left := 0
	for _, n := range sc.count {
		left += n
	}
	w.total = left
	w.run(s.head)
	for first := true; left > 0; left-- {
		at := r.IntN(left)
		i := 0
		for ; at >= sc.count[i]-done[i]; i++ {
			at -= sc.count[i] - done[i]
		}
		if !first {
			w.b.WriteString(s.sep)
		}
		first = false
		w.resource(i, done[i])
		done[i]++
		if err := w.flush(out); err != nil {
			return err
		}
	}
	w.run(s.tail)
	w.b.WriteByte('\n')
	_, err := out.Write(w.b.Bytes())
	return err
}

// writePage writes resources of one shape into a page of their own.
func (s *shapeSet) writePage(out io.Writer, sc *scope, i, from, to int) error {
	w := newWriter(s, sc)
	x := s.shapes[i]
	head, tail := s.head, s.tail
	if x.head != nil {
		head, tail = x.head, x.tail
	}
	w.begin(i, from)
	w.total = to - from
	w.run(head)
	for n := from; n < to; n++ {
		if n > from {
			w.b.WriteString(s.sep)
		}
		w.resource(i, n)
		if err := w.flush(out); err != nil {
			return err
		}
	}
	w.begin(i, from)
	w.run(tail)
	w.b.WriteByte('\n')
	_, err := out.Write(w.b.Bytes())
	return err
}

// ParseFormat returns the format of that name.
func ParseFormat(name string) (Format, error) {
	var known []string
	for _, f := range Formats {
		if string(f) == name {
			return f, nil
		}
		known = append(known, string(f))
	}
	return "", fmt.Errorf("format %q: expected one of %s", name, strings.Join(known, ", "))
}
