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
)

// The limits on a file.
const (
	MaxDocument = 64 << 20 // bytes of one document
	maxYAML     = 64 << 20 // bytes of one document in YAML
	maxTemplate = 8 << 20  // bytes of one template as JSON; Azure takes 4 MB, AWS 1 MB
	sniffed     = 256 << 10
	blockSize   = 256 << 10
	// A text that grows more than maxRatio times by decompression, beyond freeRatio bytes, is a bomb.
	maxRatio  = 300
	freeRatio = 64 << 20
)

// Envelopes tells which members of an API body the catalog reads. It is written where it is used; the rulebook answers.
type Envelopes interface {
	// Member returns who reads a top-level member of that name.
	Member(key string) []demarc.Claim
	// Whole returns the dialects that read a whole body with a top-level member of that name.
	Whole(key string) []demarc.Dialect
}

// Input is one file to read.
type Input struct {
	Path   string // to open; "-" for standard input
	Source *demarc.Source
	Named  bool // by the user, not found in a directory
}

// Find returns the files of a path that is a file or a directory, sorted, and how many files of a directory were
// passed over because they are neither JSON, YAML nor compressed. source is what the path says about them; its
// Input becomes the path of each file relative to path.
func Find(path string, source demarc.Source) (inputs []Input, passedOver int, err error) {
	if path == "-" {
		source.Input = "-"
		return []Input{{Path: path, Source: &source, Named: true}}, 0, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.IsDir() {
		source.Input = filepath.Base(path)
		return []Input{{Path: path, Source: &source, Named: true}}, 0, nil
	}
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != path && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() && d.Type()&fs.ModeSymlink == 0 || d.Name() == "demarc.yaml" {
			return nil
		}
		if !readable(name) {
			passedOver++
			return nil
		}
		own := source
		if own.Input, err = filepath.Rel(path, name); err != nil {
			return err
		}
		own.Input = filepath.ToSlash(own.Input)
		inputs = append(inputs, Input{Path: name, Source: &own})
		return nil
	})
	slices.SortFunc(inputs, func(a, b Input) int { return strings.Compare(a.Source.Input, b.Source.Input) })
	return inputs, passedOver, err
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
}

var _ collect.Source = (*Source)(nil)

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
	for range 3 {
		head, err := r.Peek(4)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		packed := &counted{r: r}
		switch {
		case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
			z, err := gzip.NewReader(packed)
			if err != nil {
				return nil, fmt.Errorf("gzip: %w", err)
			}
			r = bufio.NewReaderSize(&unpacked{in: z, from: packed, what: "gzip"}, sniffed)
		case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
			z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
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
	if err != nil && !errors.Is(err, io.EOF) {
		return n, fmt.Errorf("%s: %w", x.what, err)
	}
	return n, err
}
