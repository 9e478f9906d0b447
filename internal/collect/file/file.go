// Package file collects documents from files, directories and standard input.
//
// What a file is is recognised from its content, never from its name alone. gzip, zstd, UTF-16 with a mark, and a
// line of a log before the JSON are seen through. Nothing larger than a buffer is held, unless it is one document.
package file

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect"
	"github.com/demarc/demarc/internal/jscan"
)

// The limits on a file.
const (
	MaxDocument = 64 << 20 // bytes of one document
	maxYAML     = 64 << 20 // bytes of one document in YAML
	maxTemplate = 8 << 20  // bytes of one template as JSON; Azure takes 4 MB, AWS 1 MB
	sniffed     = 256 << 10
	glanced     = 16 << 10 // bytes that tell what most large files are
	blockSize   = 256 << 10
	// A text that grows more than maxRatio times by decompression, beyond freeRatio bytes, is a bomb. Compressed twice it
	// may grow no more than that in all.
	maxRatio  = 300
	freeRatio = 64 << 20
	maxWindow = 32 << 20 // bytes that zstd may refer back to; zstd -19 needs 8 MiB
)

// Envelopes tells which members of an API body the catalog reads. It is written where it is used; the rulebook answers.
type Envelopes interface {
	// Member returns who reads a top-level member of that name.
	Member(key string) []demarc.Claim
	// Whole returns the dialects that read a whole body with a top-level member of that name.
	Whole(key string) []demarc.Claim
}

// Input is one file to read.
type Input struct {
	Path   string // to open; "-" for standard input
	Source *demarc.Source
	Named  bool // by the user, not found in a directory
}

// Find returns the files of a path that is a file or a directory, sorted. Notes tell what was passed over in a directory:
// what is neither JSON, YAML nor compressed, what is no file, links to other directories, and what could not be listed.
// source is what the path says about its files; its Input becomes the path of each file relative to path. When ctx ends,
// what was found by then is returned.
func Find(ctx context.Context, path string, source demarc.Source) (inputs []Input, notes []demarc.Note, err error) {
	if path == "-" {
		source.Input = "-"
		return []Input{{Path: path, Source: &source, Named: true}}, nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.IsDir() {
		source.Input = filepath.Base(path)
		return []Input{{Path: path, Source: &source, Named: true}}, nil, nil
	}
	root := path
	if link, err := os.Lstat(path); err == nil && link.Mode()&fs.ModeSymlink != 0 {
		root += string(filepath.Separator) // what it leads to
	}
	w := walk{ctx: ctx, root: root, source: source, passed: map[string]int{}}
	if err := filepath.WalkDir(root, w.visit); err != nil && ctx.Err() == nil {
		return nil, nil, err
	}
	slices.SortFunc(w.inputs, func(a, b Input) int { return strings.Compare(a.Source.Input, b.Source.Input) })
	for _, what := range slices.Sorted(maps.Keys(w.passed)) {
		w.note(demarc.NotePassedOver, path, fmt.Sprintf(what, w.passed[what]))
	}
	return w.inputs, w.notes, nil
}

// walk goes through a directory.
type walk struct {
	ctx    context.Context //nolint:containedctx // lives as long as one Find
	root   string
	source demarc.Source
	inputs []Input
	notes  []demarc.Note
	passed map[string]int // by the text that tells of them
}

func (w *walk) note(kind demarc.NoteKind, name, message string) {
	w.notes = append(w.notes, demarc.Note{Kind: kind, Pos: demarc.Position{Input: name, Offset: -1}, Message: message})
}

const (
	otherFiles  = "%d files are neither JSON, YAML nor compressed"
	otherLinks  = "%d links lead to other directories; name those that are to be read"
	otherThings = "%d are no files"
)

// visit is called with everything below the root, in order.
func (w *walk) visit(name string, d fs.DirEntry, err error) error {
	if w.ctx.Err() != nil {
		return fs.SkipAll
	}
	if err != nil { // a directory that cannot be listed, whole or to its end
		if name == w.root && len(w.inputs) == 0 {
			return err
		}
		kind := demarc.NoteRefused
		if errors.Is(err, fs.ErrPermission) {
			kind = demarc.NoteDenied
		}
		w.note(kind, name, unwrapPath(err))
		return nil
	}
	mode := d.Type()
	if mode&fs.ModeSymlink != 0 {
		// A link that leads nowhere is taken for a file: reading it will say why it cannot be.
		mode = 0
		if to, err := os.Stat(name); err == nil {
			if mode = to.Mode().Type(); mode.IsDir() {
				w.passed[otherLinks]++
				return nil
			}
		}
	}
	switch {
	case mode.IsDir():
		if name != w.root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
	case d.Name() == "demarc.yaml":
	case !mode.IsRegular(): // opening it may never come back
		w.passed[otherThings]++
	case !readable(name):
		w.passed[otherFiles]++
	default:
		own := w.source
		rel, err := filepath.Rel(w.root, name)
		if err != nil {
			return err
		}
		own.Input = filepath.ToSlash(rel)
		w.inputs = append(w.inputs, Input{Path: name, Source: &own})
	}
	return nil
}

// readable reports whether a file of a directory is worth opening: by its name, or because it begins like JSON.
func readable(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json", ".yaml", ".yml", ".ndjson", ".jsonl", ".tfstate", ".gz", ".zst", ".template":
		return true
	case ".md", ".csv", ".txt", ".go", ".py", ".tf", ".html", ".xml", ".tsv", ".sh":
		return false
	}
	f, err := os.Open(name)
	if err != nil {
		return true // reading it will say why not
	}
	defer f.Close()
	head := make([]byte, 512)
	n, _ := io.ReadFull(f, head)
	head = bytes.TrimLeft(bytes.TrimPrefix(head[:n], []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(head) > 0 && (head[0] == '{' || head[0] == '[')
}

// Source reads one input.
type Source struct {
	Input     Input
	Stdin     io.Reader
	Envelopes Envelopes
	Prior     bool // it is a Terraform plan, and what was there before it is asked for
}

var _ collect.Source = (*Source)(nil)

// Waits reports whether reading may wait for somebody who writes: the input is a pipe, a device or standard input.
func (s *Source) Waits() bool {
	if s.Input.Path == "-" {
		return true
	}
	if !s.Input.Named { // of a directory only files are read
		return false
	}
	info, err := os.Stat(s.Input.Path)
	return err == nil && !info.Mode().IsRegular()
}

// Collect reads the input to its end. Errors in it become notes with the file and the position.
func (s *Source) Collect(ctx context.Context, to collect.Sink) error {
	in := s.Stdin
	if s.Input.Path != "-" {
		f, err := os.Open(s.Input.Path)
		if err != nil {
			kind := demarc.NoteRefused
			if errors.Is(err, fs.ErrPermission) {
				kind = demarc.NoteDenied
			}
			to.Note(demarc.Note{Kind: kind, Pos: s.pos(-1), Message: unwrapPath(err)})
			return nil
		}
		defer f.Close()
		in = f
	}
	f := &framer{s: s, to: to, ctx: ctx}
	if err := f.read(&cancellable{ctx, in}); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if stop, ok := errors.AsType[stopError](err); ok {
			return stop.error
		}
		if syntax, ok := errors.AsType[*jscan.SyntaxError](err); ok && syntax.Found != jscan.EndOfText {
			own := *syntax
			own.Found += "; what follows it is not read"
			err = &own
		}
		f.refuse(err)
	}
	return nil
}

// unwrapPath leaves the path out of an error: the note has it.
func unwrapPath(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Sprintf("%s: %v", p.Op, p.Err)
	}
	return err.Error()
}

func (s *Source) pos(offset int64) demarc.Position {
	return demarc.Position{Input: s.Input.Path, Offset: offset}
}

// cancellable ends a read when its context ends.
type cancellable struct {
	ctx context.Context //nolint:containedctx // a reader has no other way to be told
	r   io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// stopError is an error of the sink: it ends the collection.
type stopError struct{ error }

// opened sees through compression and encodings.
func opened(r *bufio.Reader) (*bufio.Reader, error) {
	packed := &counted{r: r}
	for layer := range 3 {
		head, err := r.Peek(4)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		var in io.Reader = r
		if layer == 0 {
			in = packed
		}
		switch {
		case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
			z, err := gzip.NewReader(in)
			if err != nil {
				return nil, fmt.Errorf("gzip: %w", err)
			}
			r = bufio.NewReaderSize(&unpacked{in: z, from: packed, what: "gzip"}, sniffed)
		case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
			z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
			if err != nil {
				return nil, fmt.Errorf("zstd: %w", err)
			}
			r = bufio.NewReaderSize(&unpacked{in: z, from: packed, what: "zstd"}, sniffed)
		case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
			return bufio.NewReaderSize(transform.NewReader(r, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder()), sniffed), nil
		case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
			_, err := r.Discard(3)
			return r, err
		default:
			return r, nil
		}
	}
	return nil, errors.New("compressed more than twice")
}

type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// unpacked names the decompression in its errors, and ends what grows beyond reason.
type unpacked struct {
	in   io.Reader
	from *counted
	what string
	out  int64
}

func (x *unpacked) Read(p []byte) (int, error) {
	n, err := x.in.Read(p)
	x.out += int64(n)
	if x.out > freeRatio && x.out > maxRatio*x.from.n {
		return n, fmt.Errorf("%s: grows more than %d times", x.what, maxRatio)
	}
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return n, fmt.Errorf("zstd: a window of more than %d MiB: compress it without --long or --ultra", maxWindow>>20)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, fmt.Errorf("%s: %w", x.what, err)
	}
	return n, err
}
