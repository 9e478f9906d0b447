package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/demarc/demarc/internal/generate"
)

//go:embed checks.rego
var checksInRego []byte

// opaReport is one plan, checked by `opa eval` and by `demarc assess`, each as the process that somebody would start.
type opaReport struct {
	Version   string  `json:"version"`
	Resources int     `json:"resources"`
	Checks    int     `json:"checks"`
	Failed    int     `json:"failed"` // what both found
	OPA       process `json:"opa"`
	Demarc    process `json:"demarc"`
}

// process is what a process took.
type process struct {
	Wall   time.Duration `json:"wall"`
	CPU    time.Duration `json:"cpu"`
	Memory int64         `json:"memory"` // bytes resident at most
	Code   int           `json:"code"`   // exit code
}

// tool builds a program of this repository's modules, and returns its path.
func (b *bench) tool(ctx context.Context, name, module, pkg string) (string, error) {
	to := filepath.Join(b.dir, name)
	if _, err := os.Stat(to); err == nil {
		return to, nil
	}
	fmt.Fprintf(b.progress, "build %s\n", name)
	args := []string{"build", "-o", to}
	if module != "" {
		args = append(args, "-modfile="+module)
	}
	out, err := exec.CommandContext(ctx, "go", append(args, pkg)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return to, nil
}

// opa compares with OPA. Where it cannot be had the report says nothing of it, and that is told.
func (b *bench) opa(ctx context.Context, resources int) (*opaReport, error) {
	opa, err := b.tool(ctx, "opa", "tools/opa/go.mod", "github.com/open-policy-agent/opa")
	if err != nil {
		fmt.Fprintf(b.progress, "NOT COMPARED WITH OPA, which cannot be had here: %v\n", err)
		return nil, nil
	}
	demarc, err := b.tool(ctx, "demarc", "", "./cmd/demarc")
	if err != nil {
		return nil, err
	}
	dir, err := b.estate(generate.Estate{Format: generate.TerraformPlan, Resources: resources, Accounts: 1, Seed: b.seed, Scope: resources})
	if err != nil {
		return nil, err
	}
	plan, err := largest(dir)
	if err != nil {
		return nil, err
	}
	rules := filepath.Join(b.dir, "checks.rego")
	if err := os.WriteFile(rules, checksInRego, 0o600); err != nil {
		return nil, err
	}
	r := &opaReport{}
	if out, err := exec.CommandContext(ctx, opa, "version").Output(); err == nil {
		_, _ = fmt.Sscanf(string(out), "Version: %s", &r.Version)
	}
	own, err := spawn(ctx, "-cpus", "1", plan)
	if err != nil {
		return nil, err
	}
	r.Resources = own.Resources
	var theirs, ours []process
	for range b.runs {
		fmt.Fprintf(b.progress, "measure OPA\n")
		var out bytes.Buffer
		p, err := measured(ctx, &out, nil, opa, "eval", "--format", "json", "--data", rules, "--input", plan, "data.demarc.failed")
		if err != nil {
			return nil, err
		}
		theirs = append(theirs, p)
		if err := r.compare(out.Bytes(), own.Failed); err != nil {
			return nil, err
		}
		p, err = measured(ctx, nil, []int{2, 3}, demarc, "assess", plan)
		if err != nil {
			return nil, err
		}
		ours = append(ours, p)
	}
	cpu := func(p process) float64 { return p.CPU.Seconds() }
	r.OPA, r.Demarc = medianBy(theirs, cpu), medianBy(ours, cpu)
	return r, nil
}

// compare holds that OPA and demarc have found the same: rules that do not mean the same are not worth measuring.
func (r *opaReport) compare(answer []byte, own map[string]int) error {
	var a struct {
		Result []struct {
			Expressions []struct {
				Value map[string]int `json:"value"`
			} `json:"expressions"`
		} `json:"result"`
	}
	if err := json.Unmarshal(answer, &a); err != nil || len(a.Result) == 0 || len(a.Result[0].Expressions) == 0 {
		return fmt.Errorf("opa: no answer: %w: %.200s", err, answer)
	}
	found := a.Result[0].Expressions[0].Value
	r.Checks, r.Failed = len(found), 0
	for check, n := range found {
		if n != own[check] {
			return fmt.Errorf("%s fails for %d resources by OPA, for %d by demarc: the rules do not mean the same", check, n, own[check])
		}
		r.Failed += n
	}
	return nil
}

// measured runs a program and returns what it took. codes are the exit codes that mean no fault, 0 if there are none. A child
// starts it: what the system tells of a process's memory is at least that of the process which started it.
func measured(ctx context.Context, out *bytes.Buffer, codes []int, name string, args ...string) (process, error) {
	var p process
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, os.Args[0], append([]string{childCommand, "-program", name}, args...)...) //nolint:gosec // this program itself
	if out != nil {
		cmd.Stdout = out
	}
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return p, fmt.Errorf("%s: %w: %.400s", filepath.Base(name), err, stderr.String())
	}
	if err := json.Unmarshal(stderr.Bytes(), &p); err != nil {
		return p, err
	}
	if p.Code != 0 && !slices.Contains(codes, p.Code) {
		return p, fmt.Errorf("%s: exit code %d", filepath.Base(name), p.Code)
	}
	return p, nil
}

// runProgram runs a program with this process's output, and tells on standard error what it took.
func runProgram(ctx context.Context, name string, args []string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout = os.Stdout
	begin := time.Now()
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return err
	}
	return json.NewEncoder(os.Stderr).Encode(process{
		Wall: time.Since(begin), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Memory: residentOf(cmd.ProcessState), Code: cmd.ProcessState.ExitCode(),
	})
}

// largest returns the largest file below a directory.
func largest(dir string) (string, error) {
	name, size := "", int64(-1)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			name, size = path, info.Size()
		}
		return err
	})
	return name, err
}

// firstByte runs demarc and returns when its first output came, after its start.
func firstByte(ctx context.Context, name string, args ...string) (time.Duration, process, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, process{}, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, process{}, err
	}
	var buf [1 << 16]byte
	_, err = out.Read(buf[:1])
	first := time.Since(begin)
	for err == nil {
		_, err = out.Read(buf[:])
	}
	_ = cmd.Wait() // exit codes are answers too
	p := process{Wall: time.Since(begin), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Memory: residentOf(cmd.ProcessState)}
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 2 && code != 3 {
		return first, p, fmt.Errorf("demarc %v: exit code %s", args, strconv.Itoa(code))
	}
	return first, p, nil
}
