package cli

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// routes is every address of the pages: which right it needs, which operations of the API tell or do the same, and which keys of
// its query string only say how it looks.
var routes = map[string]struct {
	needs      demarc.Right
	operations []string
	looks      []string
}{
	"GET /{$}":                    {demarc.RightRead, []string{"get-overview", "list-groups", "get-trend", "get-line", "list-move-groups", "list-finding-groups", "list-blind-spots"}, nil},
	"GET /line":                   {demarc.RightRead, []string{"get-line"}, []string{"rows"}},
	"GET /moves":                  {demarc.RightRead, []string{"list-moves", "list-move-groups"}, []string{"view"}},
	"GET /gaps":                   {demarc.RightRead, []string{"list-findings", "list-finding-groups", "list-groups"}, []string{"view"}},
	"GET /gaps.csv":               {demarc.RightRead, []string{"list-findings"}, nil},
	"GET /gaps.json":              {demarc.RightRead, []string{"list-findings"}, nil},
	"GET /assumptions":            {demarc.RightRead, []string{"list-finding-groups", "get-resource", "get-estate"}, nil},
	"GET /declarations":           {demarc.RightRead, []string{"list-declarations"}, []string{"done", "show"}},
	"GET /declarations/new":       {demarc.RightDeclare, []string{"declare", "list-resources", "list-groups"}, []string{"kind"}},
	"POST /declarations":          {demarc.RightDeclare, []string{"declare"}, nil},
	"POST /declarations/withdraw": {demarc.RightDeclare, []string{"withdraw"}, nil},
	"GET /audit":                  {demarc.RightAdminister, []string{"list-audit"}, nil},
	"GET /audit.json":             {demarc.RightAdminister, []string{"list-audit"}, nil},
	"GET /resources":              {demarc.RightRead, []string{"list-resources", "list-groups"}, nil},
	"GET /resources.csv":          {demarc.RightRead, []string{"list-resources"}, nil},
	"GET /resources.json":         {demarc.RightRead, []string{"list-resources"}, nil},
	"GET /resource":               {demarc.RightRead, []string{"get-resource", "list-versions", "what-if", "get-service"}, nil},
	"GET /parties":                {demarc.RightRead, []string{"list-groups", "get-estate"}, nil},
	"GET /sources":                {demarc.RightRead, []string{"list-scans", "get-scan", "list-groups", "list-blind-spots", "get-estate"}, []string{"blind"}},
	"GET /frameworks":             {demarc.RightRead, []string{"list-frameworks", "get-framework"}, []string{"framework"}}, // it is in the path
	"GET /frameworks.csv":         {demarc.RightRead, []string{"get-framework"}, []string{"framework"}},
	"GET /catalog":                {demarc.RightRead, []string{"list-services", "list-groups"}, nil},
	"GET /catalog/service":        {demarc.RightRead, []string{"get-service"}, []string{"service"}}, // there it is the id
	"GET /catalog/compare":        {demarc.RightRead, []string{"get-service"}, []string{"service", "all"}},
}

// operations is which right each operation of the API needs that no page has, or that is a program's alone.
var operations = map[string]demarc.Right{
	"list-organizations": demarc.RightRead, "get-me": demarc.RightRead, "export-answers": demarc.RightRead,
	"list-tokens": demarc.RightAdminister, "make-token": demarc.RightAdminister, "revoke-token": demarc.RightAdminister,
}

// What a page shows or does, the API does too, with the same filters. A page or an operation that is new must be told here.
func TestPagesAndTheAPIDoTheSame(t *testing.T) {
	site := newSite(nil, &knowledge{}, web.Config{})
	described := map[string]*huma.Operation{}
	programs := newPrograms(nil, &knowledge{}, slog.New(slog.DiscardHandler))
	for _, item := range programs.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Delete} {
			if op != nil {
				described[op.OperationID] = op
			}
		}
	}
	needs := programs.Needs()
	told := map[string]bool{}
	for _, route := range site.Routes() {
		row, ok := routes[route.Pattern]
		if !ok {
			t.Errorf("%s: say which right it needs, and what does the same in the API", route.Pattern)
			continue
		}
		if told[route.Pattern] = true; route.Needs != row.needs {
			t.Errorf("%s needs the right to %s, want %s", route.Pattern, route.Needs, row.needs)
		}
		keys := slices.Concat(route.Keys, route.Takes)
		if !strings.HasPrefix(route.Pattern, "GET /catalog") { // which knows nothing of estates
			keys = append(keys, "org")
		}
		if route.Takes == nil {
			keys = append(keys, "scan")
			for i := range demarc.FilterKeys {
				keys = append(keys, demarc.FilterKeys[i].Key)
			}
		}
		takes := func(key string) bool {
			return slices.ContainsFunc(row.operations, func(id string) bool {
				op := described[id]
				return op != nil && slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == key })
			})
		}
		for _, key := range keys {
			if !slices.Contains(row.looks, key) && !takes(key) {
				t.Errorf("%s takes %q, and none of %v does", route.Pattern, key, row.operations)
			}
		}
		for _, id := range row.operations {
			op := described[id]
			if op == nil {
				t.Errorf("%s: there is no operation %s", route.Pattern, id)
				continue
			}
			told[id] = true
			method, _, _ := strings.Cut(route.Pattern, " ")
			if right := needs[op.Method+" "+op.Path]; method == http.MethodPost && right != row.needs {
				t.Errorf("%s needs the right to %s, and %s to %s", route.Pattern, row.needs, id, right)
			}
		}
	}
	for pattern := range routes {
		if !told[pattern] {
			t.Errorf("there is no page %s any more", pattern)
		}
	}
	for id, op := range described {
		right, alone := operations[id]
		if alone && needs[op.Method+" "+op.Path] != right {
			t.Errorf("%s needs the right to %s, want %s", id, needs[op.Method+" "+op.Path], right)
		}
		if !alone && !told[id] {
			t.Errorf("%s: say which page shows it, or that none does", id)
		}
	}
}
