package policy_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/demarc/demarc/internal/policy"
)

// TestAgainstIAMSimulate decides the published cases of the evaluator iam-simulate. They are not ours and not in this
// repository: DEMARC_IAM_SIMULATE names a checkout of github.com/cloud-copilot/iam-simulate.
// docs/decisions has where we differ and why; a case that is listed there must still differ.
func TestAgainstIAMSimulate(t *testing.T) {
	root := os.Getenv("DEMARC_IAM_SIMULATE")
	if root == "" {
		t.Skip("DEMARC_IAM_SIMULATE names no checkout of iam-simulate")
	}
	type simulated struct {
		Name    string
		Request struct {
			Action   string
			Resource struct {
				Resource  string
				AccountID string `json:"accountId"`
			}
			Principal json.RawMessage
			Context   map[string]json.RawMessage
		}
		IdentityPolicies, PermissionBoundaries, EndpointPolicies []json.RawMessage
		SessionPolicy, ResourcePolicy                            json.RawMessage
		ServiceControlPolicies, ResourceControlPolicies          []struct{ Policies []json.RawMessage }
		Simulation                                               struct{ Mode string }
		Expected                                                 struct{ Response string }
	}
	decisions := map[string]policy.Decision{
		"Allowed": policy.Allowed, "ImplicitlyDenied": policy.ImplicitlyDenied, "ExplicitlyDenied": policy.ExplicitlyDenied,
	}
	agree, total := 0, 0
	dir := os.DirFS(filepath.Join(root, "src/core_engine/coreEngineTests"))
	err := fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(dir, path)
		if err != nil {
			return err
		}
		var cases []simulated
		if err := json.Unmarshal(data, &cases); err != nil {
			return err
		}
		for _, c := range cases {
			name := strings.TrimSuffix(path, ".json") + ": " + c.Name
			if c.Simulation.Mode == "Discovery" || strings.HasPrefix(name, "resourceWildcards/") {
				continue // what could be, for requests whose context is not known or whose resource is a pattern
			}
			total++
			parse := func(raw json.RawMessage) *policy.Policy {
				if len(raw) == 0 {
					return nil
				}
				p, err := policy.Parse(string(raw))
				if err != nil {
					t.Logf("%s: %v", name, err)
				}
				return p
			}
			list := func(raws []json.RawMessage) []*policy.Policy {
				out := []*policy.Policy{}
				for _, raw := range raws {
					if p := parse(raw); p != nil {
						out = append(out, p)
					}
				}
				return out
			}
			set := policy.Set{Identity: list(c.IdentityPolicies), Resource: parse(c.ResourcePolicy), Session: parse(c.SessionPolicy)}
			if len(c.PermissionBoundaries) > 0 {
				set.Boundary = parse(c.PermissionBoundaries[0])
			}
			if len(c.EndpointPolicies) > 0 {
				set.Endpoint = parse(c.EndpointPolicies[0])
			}
			for _, level := range c.ServiceControlPolicies {
				set.ServiceControl = append(set.ServiceControl, list(level.Policies))
			}
			for _, level := range c.ResourceControlPolicies {
				everything := json.RawMessage(`{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`)
				set.ResourceControl = append(set.ResourceControl, list(append(level.Policies, everything)))
			}
			r := policy.Request{Action: c.Request.Action, Resource: c.Request.Resource.Resource, Account: c.Request.Resource.AccountID, Context: policy.Context{}}
			if json.Unmarshal(c.Request.Principal, &r.Principal) != nil {
				r.Principal = "*"
			}
			for key, raw := range c.Request.Context {
				var many []string
				var one any
				if json.Unmarshal(raw, &many) != nil {
					_ = json.Unmarshal(raw, &one)
					many = []string{strings.Trim(string(raw), `"`)}
				}
				r.Context[strings.ToLower(key)] = many
			}
			got, err := policy.Authorize(r, set)
			want := decisions[c.Expected.Response]
			if got == want && err == nil {
				agree++
				continue
			}
			t.Logf("%s: %v, %v; iam-simulate says %v", name, got, err, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d agree", agree, total)
}
