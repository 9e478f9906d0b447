package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/cli"
	"github.com/demarc/demarc/internal/generate"
	"github.com/demarc/demarc/internal/store"
)

// serveReport is how a server answered many readers.
type serveReport struct {
	Store     string       `json:"store"`
	Resources int          `json:"resources"`
	Readers   int          `json:"readers"`
	Pause     string       `json:"pause"`
	Phases    []servePhase `json:"phases"`
	Peak      int64        `json:"peak_memory"` // of the process that served, recorded and read
}

// servePhase is a stretch of time.
type servePhase struct {
	What    string          `json:"what"`
	Wall    time.Duration   `json:"wall"`
	CPU     time.Duration   `json:"cpu"` // of the process, for reading and answering and what else happens
	Answers int             `json:"answers"`
	Bytes   int64           `json:"bytes"` // as they came
	Errors  []string        `json:"errors,omitempty"`
	All     answerTimes     `json:"all"`
	By      []measuredReads `json:"by"`
}

// measuredReads is how one kind of question was answered.
type measuredReads struct {
	Name string `json:"name"`
	answerTimes
}

type answerTimes struct {
	Count int           `json:"count"`
	P50   time.Duration `json:"p50"`
	P95   time.Duration `json:"p95"`
	P99   time.Duration `json:"p99"`
	Max   time.Duration `json:"max"`
}

// asked are the pages and the answers to programs that readers ask for. %s is an account, the same for a reader at a time.
var asked = []string{
	"/", "/?account=%s", "/line", "/line?by=service", "/line?account=%s", "/resources", "/resources?account=%s", "/resources?gap=failing&severity=high", "/resources?q=prod", "/resources?by=account",
	"/gaps", "/gaps?view=each&gap=failing&severity=high", "/gaps?account=%s", "/moves", "/assumptions", "/parties", "/sources", "/frameworks", "/catalog", "/catalog/service?service=aws/rds",
	"/api/v1/overview", "/api/v1/line?by=provider", "/api/v1/resources?account=%s", "/api/v1/findings?gap=failing&severity=critical", "/resource?id=%s",
}

// stride is how a reader goes through what is asked, so that all of it is asked soon: it divides no multiple of its length.
const stride = 7

// serveCommand measures a server over loopback HTTP: many readers while nothing else happens, and while a scan is recorded
// into the store that is served. Readers pause between questions, as people do; with no pause they ask as fast as they are
// answered.
func serveCommand(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	resources := flags.Int("resources", 100_000, "resources to store")
	times := flags.Int("times", 10, "how many copies of a generated estate they are made of")
	accounts := flags.Int("accounts", 1000, "accounts")
	seed := flags.Uint64("seed", 1, "of the estate")
	readers := flags.Int("readers", 32, "how many ask at a time")
	pause := flags.Duration("pause", time.Second, "how long a reader waits between an answer and the next question")
	quiet := flags.Duration("quiet", 20*time.Second, "how long they read before the scan")
	place := flags.String("store", "", "store to write to: a file that is not there, or the URL of an empty database; by default a file that is removed at the end")
	jsonFile := flags.String("json", "", "write the measurements to `FILE`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "demarc-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if *place == "" {
		*place = filepath.Join(dir, "bench.db")
	}
	answers, about, err := storeAnswers(ctx, dir, generate.Estate{Format: generate.AWSConfig, Resources: max(1, *resources / *times), Accounts: max(1, *accounts / *times), Seed: *seed})
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, *place, store.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	r := serveReport{Store: s.Name(), Readers: *readers, Pause: pause.String()}
	record := func(day int) error {
		about.AsOf = asOf.AddDate(0, 0, day)
		c, err := s.Record(ctx, store.Recording{
			Run: about, Finished: about.AsOf, Actor: "bench", Sources: []demarc.SourceStatus{{Name: "bench", Complete: true}},
			Catalog: func() ([]byte, error) { return []byte("{}"), nil }, Estate: func() ([]byte, error) { return []byte("{}"), nil },
		}, copies(answers, *times, day))
		r.Resources = c.Resources
		return err
	}
	for day := range 2 {
		if err := record(day); err != nil {
			return err
		}
	}
	address, end, err := served(ctx, *place)
	if err != nil {
		return err
	}
	defer func() { _ = end() }()
	l := load{address: address, readers: *readers, pause: *pause}
	for a := range copies(answers, 1, 0) {
		if l.accounts = append(l.accounts, a.Resource.Account); len(l.ids) < 100 {
			l.ids = append(l.ids, string(a.Resource.ID))
		}
	}
	slices.Sort(l.accounts)
	l.accounts = slices.Compact(l.accounts)

	still, cancel := context.WithTimeout(ctx, *quiet)
	r.Phases = append(r.Phases, l.run(still, "nothing else happens"))
	cancel()
	during, cancel := context.WithCancel(ctx)
	recorded := make(chan error, 1)
	go func() {
		recorded <- record(2)
		select { // and what the first readers of the new scan wait for
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
		}
		cancel()
	}()
	r.Phases = append(r.Phases, l.run(during, "a scan is recorded"))
	cancel()
	if err := <-recorded; err != nil {
		return err
	}
	r.Peak = peakMemory()
	if *jsonFile != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*jsonFile, append(text, '\n'), 0o600); err != nil {
			return err
		}
	}
	failed := 0
	for _, p := range r.Phases {
		failed += len(p.Errors)
	}
	return errors.Join(r.table(out), end(), map[bool]error{true: fmt.Errorf("%d answers were errors", failed)}[failed > 0])
}

// served runs `demarc serve` over a store until end is called, once it is ready.
func served(ctx context.Context, place string) (address string, end func() error, err error) {
	ctx, stop := context.WithCancel(ctx)
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		code := cli.Main(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--store", place}, cli.Streams{In: os.Stdin, Out: io.Discard, Err: out}, func(string) string { return "" })
		_ = out.Close()
		if ended <- nil; code != 0 {
			ended <- fmt.Errorf("demarc serve ended with exit code %d", code)
		}
		close(ended)
	}()
	end = sync.OnceValue(func() error {
		stop()
		return errors.Join(<-ended, <-ended)
	})
	for lines := bufio.NewScanner(in); address == "" && lines.Scan(); {
		address = regexp.MustCompile(`http://\S+`).FindString(lines.Text())
	}
	go func() { _, _ = io.Copy(os.Stderr, in) }()
	if address == "" {
		return "", nil, errors.Join(errors.New("demarc serve says no address"), end())
	}
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		switch _, err := fetch(ctx, http.DefaultClient, address+"/readyz"); {
		case err == nil:
			fmt.Fprintf(os.Stderr, "ready after %.1f s\n", time.Since(begin).Seconds())
			return address, end, nil
		case time.Since(begin) > 5*time.Minute || ctx.Err() != nil:
			return "", nil, errors.Join(err, end())
		}
	}
}

// load is readers who ask a server.
type load struct {
	address  string
	readers  int
	pause    time.Duration
	accounts []string
	ids      []string
}

// run lets readers ask until ctx ends.
func (l *load) run(ctx context.Context, what string) servePhase {
	p := servePhase{What: what}
	took := map[string][]time.Duration{}
	var mu sync.Mutex
	transport := &http.Transport{MaxIdleConnsPerHost: l.readers, MaxConnsPerHost: l.readers}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	begin, cpu := time.Now(), processorTime()
	var group sync.WaitGroup
	for reader := range l.readers {
		group.Go(func() {
			sleep(ctx, l.pause*time.Duration(reader)/time.Duration(l.readers)) // not all at the same moment
			for i := reader; ctx.Err() == nil; i += stride {
				name := asked[i%len(asked)]
				of := l.accounts
				if name == "/resource?id=%s" {
					of = l.ids
				}
				begin := time.Now()
				// One that has been asked is answered: ctx ends the reader, not the answer.
				size, err := fetch(context.WithoutCancel(ctx), client, l.address+fill(name, of[i%len(of)]))
				mu.Lock()
				took[name] = append(took[name], time.Since(begin))
				p.Bytes += size
				if err != nil && len(p.Errors) < 20 {
					p.Errors = append(p.Errors, fmt.Sprintf("%s: %v", name, err))
				}
				mu.Unlock()
				sleep(ctx, l.pause)
			}
		})
	}
	group.Wait()
	p.Wall, p.CPU = time.Since(begin), processorTime()-cpu
	var all []time.Duration
	for _, name := range asked {
		if len(took[name]) > 0 {
			p.By = append(p.By, measuredReads{name, timesOf(took[name])})
			all = append(all, took[name]...)
		}
	}
	p.Answers, p.All = len(all), timesOf(all)
	return p
}

func fill(name, value string) string {
	if slices.Contains([]byte(name), '%') {
		return fmt.Sprintf(name, url.QueryEscape(value))
	}
	return name
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// fetch reads a whole answer, compressed as a browser takes it, and returns how long it is.
func fetch(ctx context.Context, client *http.Client, address string) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Accept-Encoding", "gzip")
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	n, err := io.Copy(io.Discard, answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", answer.StatusCode)
	}
	return n, err
}

// timesOf sorts what it is given.
func timesOf(all []time.Duration) answerTimes {
	if len(all) == 0 {
		return answerTimes{}
	}
	slices.Sort(all)
	at := func(percent int) time.Duration { return all[min(len(all)-1, len(all)*percent/100)] }
	return answerTimes{Count: len(all), P50: at(50), P95: at(95), P99: at(99), Max: all[len(all)-1]}
}

func (r *serveReport) table(out io.Writer) error {
	fmt.Fprintf(out, "%s: %d resources, %d readers who pause for %s, peak of the process %.1f GB\n", r.Store, r.Resources, r.Readers, r.Pause, float64(r.Peak)/1e9)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	ms := func(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d.Microseconds())/1000) }
	for _, p := range r.Phases {
		fmt.Fprintf(w, "\n%s: %d answers in %.1f s (%.1f s of processor time), %.1f MB, %d errors\t\t\t\t\n", p.What, p.Answers, p.Wall.Seconds(), p.CPU.Seconds(), float64(p.Bytes)/1e6, len(p.Errors))
		fmt.Fprintf(w, "asked\tanswers\tp50\tp95\tp99\tlongest\n")
		for _, m := range append(p.By, measuredReads{"all", p.All}) {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", m.Name, m.Count, ms(m.P50), ms(m.P95), ms(m.P99), ms(m.Max))
		}
		for _, e := range p.Errors {
			fmt.Fprintf(w, "%s\n", e)
		}
	}
	return w.Flush()
}
