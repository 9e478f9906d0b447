// Command bench measures demarc over generated estates.
//
//	go run ./cmd/bench generate --resources 100000 --accounts 1000 --dialect all -o DIR
//	go run ./cmd/bench run --resources 100000 --json FILE --plot FILE.svg
//	go run ./cmd/bench store --resources 1000000 --store postgres://...
//	go run ./cmd/bench serve --resources 1000000 --readers 32
//
// It is a program of its own so that what demarc is measured against is no part of the product.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/demarc/demarc/internal/generate"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("expected generate, run, store or serve")
	}
	switch args[0] {
	case "generate":
		return generateCommand(args[1:], out)
	case "run":
		return runCommand(ctx, args[1:], out)
	case "store":
		return storeCommand(ctx, args[1:], out)
	case "serve":
		return serveCommand(ctx, args[1:], out)
	case childCommand:
		return child(ctx, args[1:], out)
	default:
		return fmt.Errorf("%q: expected generate, run, store or serve", args[0])
	}
}

// formatsFlag reads a list of formats, "all" for every one.
func formatsFlag(text string) ([]generate.Format, error) {
	if text == "all" {
		return generate.Formats, nil
	}
	var out []generate.Format
	for name := range strings.SplitSeq(text, ",") {
		f, err := generate.ParseFormat(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func numbersFlag(text string) ([]int, error) {
	var out []int
	for s := range strings.SplitSeq(text, ",") {
		if s == "" {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q: expected numbers with commas", text)
		}
		out = append(out, n)
	}
	return out, nil
}

func generateCommand(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("generate", flag.ContinueOnError)
	resources := flags.Int("resources", 10_000, "resources of each dialect")
	accounts := flags.Int("accounts", 1000, "accounts, subscriptions, projects or clusters")
	format := flags.String("dialect", string(generate.AWSConfig), "dialect, several with commas, or all")
	mix := flags.String("mix", "", "plain, related or policies; by default everything")
	seed := flags.Uint64("seed", 1, "the same seed gives the same estate")
	pack := flags.String("compress", "", "gz or zst: compress the files")
	dir := flags.String("o", "", "directory to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" {
		return fmt.Errorf("generate: -o DIR is needed")
	}
	if p := generate.Pack(*pack); p != "" && p != generate.Gzip && p != generate.Zstd {
		return fmt.Errorf("generate: --compress %q: expected gz or zst", *pack)
	}
	formats, err := formatsFlag(*format)
	if err != nil {
		return err
	}
	for _, f := range formats {
		e := generate.Estate{Format: f, Resources: *resources, Accounts: *accounts, Seed: *seed, Mix: generate.Mix(*mix), Pack: generate.Pack(*pack)}
		at := *dir
		if len(formats) > 1 {
			at = filepath.Join(at, string(f))
		}
		files, size, err := e.WriteDir(at)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %d files, %.1f MB\n", f, files, float64(size)/1e6)
	}
	return os.WriteFile(filepath.Join(*dir, "demarc.yaml"), generate.Declarations(*seed, formats, *accounts), 0o600)
}
