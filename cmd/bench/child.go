package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/cli"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/scan"
)

// childCommand runs the real pipeline once in a process of its own, whose memory and processor time are then its own.
const childCommand = "child"

// asOf is the day of every run: generated documents are of the two years before.
var asOf = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// reading is what one child measured of itself.
type reading struct {
	Documents   int64         `json:"documents"`
	Resources   int           `json:"resources"`
	Bytes       int64         `json:"bytes"` // of input, as it lies in the files
	Conditions  int64         `json:"conditions"`
	Wall        time.Duration `json:"wall"` // of collecting, settling, resolving and judging
	CPU         time.Duration `json:"cpu"`
	Catalog     time.Duration `json:"catalog"`      // until the catalog and the estate were read
	Allocations uint64        `json:"allocations"`  // during Wall
	Allocated   uint64        `json:"allocated"`    // bytes
	PeakMemory  int64         `json:"peak_memory"`  // bytes resident at most, of the whole process
	LiveMemory  uint64        `json:"live_memory"`  // bytes of the result
	Incomplete  bool          `json:"incomplete"`   // something could not be read: the measurement means nothing
	Unknown     int64         `json:"unclassified"` // documents that the catalog does not know
	Services    int           `json:"services"`     // of the catalog
	Spilled     int64         `json:"spilled"`      // bytes that were written to temporary files
	Compiled    int           `json:"compiled,omitempty"`
	Written     int64         `json:"written,omitempty"` // bytes of answers
	// Failed counts the resources that fail a check, by check.
	Failed map[string]int `json:"failed,omitempty"`
}

func child(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet(childCommand, flag.ContinueOnError)
	catalogDir := flags.String("catalog", "", "")
	indexed := flags.String("indexed", "", "")
	cpus := flags.Int("cpus", 1, "")
	estatePath := flags.String("estate", "", "")
	cpuProfile := flags.String("cpuprofile", "", "")
	memProfile := flags.String("memprofile", "", "")
	program := flags.String("program", "", "only run a program and tell what it took")
	write := flags.String("write", "", "write the answers in a format, to nowhere: "+strings.Join(written, ", "))
	ready := flags.Bool("ready", false, "only make a tenth of the services of the catalog ready")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *program != "" {
		return runProgram(ctx, *program, flags.Args())
	}
	if *memProfile == "" {
		runtime.MemProfileRate = 0 // the command has no profiles of memory, so none is kept there
	}
	cli.CollectLate() // as the command does
	runtime.GOMAXPROCS(*cpus)
	debug.SetMemoryLimit(scan.MemoryLimit) // as the command does
	var own []fs.FS
	if *catalogDir != "" {
		own = append(own, os.DirFS(*catalogDir))
	}
	var files fs.FS = catalog.Files
	var err error
	if *indexed != "" {
		files = os.DirFS(*indexed)
	}
	if *ready {
		if *indexed != "" {
			if files, err = held(*indexed); err != nil {
				return err
			}
		}
		r, err := makeReady(files)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(r)
	}
	begin := time.Now()
	book, err := rulebook.Indexed(files, own...)
	if err != nil {
		return err
	}
	est := &estate.Estate{}
	if *estatePath != "" {
		if est, err = estate.Load(*estatePath, book.Parties()); err != nil {
			return err
		}
	}
	sources, size, err := sourcesOf(ctx, book, flags.Args())
	if err != nil {
		return err
	}
	r := reading{Catalog: time.Since(begin), Bytes: size, Services: len(book.ServiceIDs())}
	stop, err := profiled(*cpuProfile)
	if err != nil {
		return err
	}
	result, err := r.measure(ctx, scan.Config{Book: book, Estate: est, AsOf: asOf, Sources: sources, Workers: *cpus}, *write)
	stop()
	if err != nil {
		return err
	}
	if *memProfile != "" {
		if err := heapProfile(*memProfile); err != nil {
			return err
		}
	}
	r.PeakMemory = peakMemory()
	if err := result.Close(); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

// measure runs the pipeline and notes what it took: with a format that the answers are written in, that too.
func (r *reading) measure(ctx context.Context, c scan.Config, format string) (*scan.Result, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin, cpu := time.Now(), processorTime()
	result, err := scan.Run(ctx, c)
	if err != nil {
		return nil, err
	}
	if format != "" {
		if r.Written, err = write(format, result); err != nil {
			return nil, err
		}
	} else {
		for range result.Findings() { // resources are judged as they are gone through
		}
	}
	r.Wall, r.CPU = time.Since(begin), processorTime()-cpu
	runtime.ReadMemStats(&after)
	r.Allocations, r.Allocated = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	r.LiveMemory = after.HeapAlloc
	r.Documents, r.Resources = result.Documents, result.Resources
	r.Incomplete, r.Spilled = result.Incomplete(), result.Spilled
	r.Unknown = int64(result.Notes.Count[demarc.NoteUnclassified])
	r.Failed = map[string]int{}
	for f := range result.Findings() {
		r.Conditions += int64(len(f.Item.Service.Lines) + len(f.Item.Service.Checks))
		for i := range f.Checks {
			if c := &f.Checks[i]; c.Result == demarc.CheckFail {
				r.Failed[c.ID]++
			}
		}
	}
	return result, nil
}

// profiled writes a profile of what takes processor time to a file, if it has a name, until stop is called.
func profiled(name string) (stop func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close() // a profile that is cut short says so when it is read
	}, nil
}

func heapProfile(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	runtime.GC()
	return pprof.Lookup("heap").WriteTo(f, 0)
}

// held returns a directory in memory, as a catalog is that is built in.
func held(dir string) (fs.FS, error) {
	var text bytes.Buffer
	w := zip.NewWriter(&text)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		to, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return err
		}
		_, err = to.Write(data)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	own := bytes.Clone(text.Bytes()) // without the room to grow
	return zip.NewReader(bytes.NewReader(own), int64(len(own)))
}

// makeReady decodes and compiles what a run over two dialects needs that meets every tenth service of the catalog that is
// built in, from a catalog that has these and perhaps more.
func makeReady(files fs.FS) (*reading, error) {
	own, err := rulebook.BuiltIn()
	if err != nil {
		return nil, err
	}
	names := own.ServiceIDs()
	r := &reading{}
	runtime.GC() // what it took to hold the files is none of it
	begin, cpu := time.Now(), processorTime()
	book, err := rulebook.Indexed(files)
	if err != nil {
		return nil, err
	}
	book.EnvelopeIndex()
	book.Places(demarc.AWSConfig)
	book.Places(demarc.Terraform)
	for i := 0; i < len(names); i += 10 {
		s := book.Service(names[i])
		if err := s.Compile(); err != nil {
			return nil, err
		}
		r.Compiled += len(s.Lines) + len(s.Checks)
	}
	r.Catalog, r.CPU = time.Since(begin), processorTime()-cpu
	return r, nil
}

// sourcesOf returns the sources of a few paths, and how many bytes their files have.
func sourcesOf(ctx context.Context, book *rulebook.Rulebook, paths []string) ([]scan.Source, int64, error) {
	var out []scan.Source
	var size int64
	envelopes := book.EnvelopeIndex()
	for _, path := range paths {
		inputs, _, err := file.Find(ctx, path, demarc.Source{Name: path})
		if err != nil {
			return nil, 0, err
		}
		for _, in := range inputs {
			out = append(out, &file.Source{Input: in, Stdin: os.Stdin, Envelopes: envelopes})
			if info, err := os.Stat(in.Path); err == nil {
				size += info.Size()
			}
		}
	}
	return out, size, nil
}

// spawn runs a child and returns what it measured.
func spawn(ctx context.Context, args ...string) (reading, error) {
	var r reading
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, os.Args[0], append([]string{childCommand}, args...)...) //nolint:gosec // this program itself
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("measure %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return r, json.Unmarshal(out, &r)
}

// peakMemory returns how much memory of the process was resident at most, in bytes; 0 where the system does not tell.
func peakMemory() int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
