package inventory

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/jscan"
)

// TestInstances asks which instances of a block an attribute of a plan means.
func TestInstances(t *testing.T) {
	configuration := []byte(`{
		"resources": [
			{"address": "aws_x.splat", "expressions": {"a": {"references": ["aws_s.m"]}}},
			{"address": "aws_x.own", "expressions": {"a": {"references": ["aws_s.m", "count.index"]}}},
			{"address": "aws_x.looked_up", "expressions": {"a": {"references": ["aws_s.m", "each.value.subnet", "each.value"]}}},
			{"address": "aws_x.one", "expressions": {"a": {"references": ["aws_s.m[1].id", "aws_s.m[1]", "aws_s.m"]}}},
			{"address": "aws_x.single", "expressions": {"a": {"references": ["aws_s.single.id", "aws_s.single"]}}},
			{"address": "aws_x.outside", "expressions": {"a": {"references": ["module.n.ids", "module.n"]}}}
		],
		"module_calls": {
			"n": {"module": {
				"outputs": {"ids": {"expression": {"references": ["aws_s.m"]}}},
				"resources": [{"address": "aws_x.inside", "expressions": {"a": {"references": ["aws_s.m"]}}}]
			}},
			"all": {"expressions": {"ids": {"references": ["aws_s.m"]}}, "module": {
				"resources": [{"address": "aws_x.given", "expressions": {"a": {"references": ["var.ids"]}}}]
			}},
			"keyed": {"expressions": {"id": {"references": ["aws_s.m", "each.key"]}}, "module": {
				"resources": [{"address": "aws_x.given", "expressions": {"a": {"references": ["var.id"]}}}]
			}}
		}
	}`)
	refs := moduleRefs{}
	newModule(&following{left: maxFollowed}, nil, "", nil, configuration, 0).references(refs)
	if err := jscan.Valid(configuration); err != nil {
		t.Fatal(err)
	}
	all := made{
		"aws_s.m":          {"aws_s.m[0]", "aws_s.m[1]"},
		"module.n.aws_s.m": {"module.n[0].aws_s.m[0]", "module.n[0].aws_s.m[1]", "module.n[1].aws_s.m[0]"},
	}
	for _, c := range []struct {
		of, from string
		want     []string // nil: nobody knows
	}{
		{"aws_x.splat", "aws_x.splat", []string{"aws_s.m[0]", "aws_s.m[1]"}},
		{"aws_x.splat", "aws_x.splat[0]", []string{"aws_s.m[0]", "aws_s.m[1]"}},
		{"aws_x.own", "aws_x.own[1]", []string{"aws_s.m[1]"}},
		{"aws_x.own", "aws_x.own[7]", nil},
		{"aws_x.looked_up", `aws_x.looked_up["a"]`, nil},
		{"aws_x.one", "aws_x.one[0]", []string{"aws_s.m[1]"}},
		{"aws_x.single", "aws_x.single", []string{"aws_s.single"}},
		{"aws_x.outside", "aws_x.outside", nil},
		{"module.n.aws_x.inside", "module.n[1].aws_x.inside", []string{"module.n[1].aws_s.m[0]"}},
		{"module.n.aws_x.inside", "module.n[0].aws_x.inside", []string{"module.n[0].aws_s.m[0]", "module.n[0].aws_s.m[1]"}},
		{"module.all.aws_x.given", "module.all.aws_x.given", []string{"aws_s.m[0]", "aws_s.m[1]"}},
		{"module.keyed.aws_x.given", `module.keyed["0"].aws_x.given`, nil},
	} {
		of := refs[c.of]
		if len(of["a"]) != 1 {
			t.Fatalf("%s refers to %q", c.of, of["a"])
		}
		got, ok := of.instances(all, c.from, "a", of["a"][0])
		if !ok {
			got = nil
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s as %s means it (-want +got):\n%s", c.of, c.from, diff)
		}
	}
}
