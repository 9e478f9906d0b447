package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/demarc/demarc"
)

//go:embed templates
var templates embed.FS

// layout is the frame of every page, with the parts that pages are built of.
var layout = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("layout.html").Funcs(functions).ParseFS(templates, "templates/layout.html", "templates/parts.html", "templates/charts.html", "templates/filters.html"))
})

var (
	emptyPage = Template(templates, "templates/empty.html")
	errorPage = Template(templates, "templates/error.html")
)

var functions = template.FuncMap{
	"asset":       Asset,
	"holder":      func(v any) string { return HolderName(demarc.Holder(fmt.Sprint(v))) },
	"letter":      func(v any) string { return holderLetter(demarc.Holder(fmt.Sprint(v))) },
	"state":       func(v any) string { return StateName(demarc.State(fmt.Sprint(v))) },
	"exposure":    ExposureName,
	"gap":         GapName,
	"gapAbout":    gapAbout,
	"model":       modelName,
	"dimension":   DimensionName,
	"num":         func(n any) string { return Number(int(reflect.ValueOf(n).Int())) },
	"short":       short,
	"count":       func(n any, one, many string) string { return Count(int(reflect.ValueOf(n).Int()), one, many) },
	"day":         Day,
	"clock":       clock,
	"capital":     capital,
	"unread":      unread,
	"key":         func(v any) string { return Key(fmt.Sprint(v)) },
	"holders":     func() []demarc.Holder { return demarc.Holders[:len(demarc.Holders)-1] },
	"sections":    func() []section { return sections },
	"lastPart":    lastPart,
	"called":      called,
	"shownFact":   shownFact,
	"joined":      joined,
	"dict":        dict,
	"host":        host,
	"add":         func(a, b int) int { return a + b },
	"minimum":     func(a, b int) int { return min(a, b) },
	"tones":       func() []Tone { return Tones },
	"tone":        func(v any) Tone { return ToneOf(demarc.State(fmt.Sprint(v))) },
	"withoutZone": func(id demarc.DutyID) string { _, s, _ := strings.Cut(string(id), "."); return s },
}

// Markup is the template of a page. It is read when it is first shown: most runs of the program show none.
type Markup func() *template.Template

// Template returns the template of a page: a file that defines "content", and may define more.
func Template(files fs.FS, names ...string) Markup {
	return sync.OnceValue(func() *template.Template {
		t := template.Must(layout().Clone())
		return template.Must(t.ParseFS(files, names...))
	})
}

// section is an entry of the navigation.
type section struct {
	ID, Path, Title string
	Group           string // that it begins; "" for one that goes on
}

var sections = []section{
	{ID: "overview", Path: "/", Title: "Overview", Group: "Where we stand"},
	{ID: "line", Path: "/line", Title: "The line"},
	{ID: "moves", Path: "/moves", Title: "Moves"},
	{ID: "gaps", Path: "/gaps", Title: "Gaps", Group: "What to do"},
	{ID: "assumptions", Path: "/assumptions", Title: "Assumptions"},
	{ID: "declarations", Path: "/declarations", Title: "Declarations"},
	{ID: "resources", Path: "/resources", Title: "Resources", Group: "What there is"},
	{ID: "parties", Path: "/parties", Title: "Parties"},
	{ID: "sources", Path: "/sources", Title: "Sources"},
	{ID: "frameworks", Path: "/frameworks", Title: "Frameworks", Group: "What it rests on"},
	{ID: "catalog", Path: "/catalog", Title: "Catalog"},
}

// View is a page that is shown.
type View struct {
	Title    string
	Section  string // of the navigation
	Template Markup
	Data     any

	status int // 0 for 200
}

// frame is what a template is given.
type frame struct {
	*Request
	Title, Section string
	Data           any
}

// make makes the page.
func (v View) make(r *Request) (*made, error) {
	var b bytes.Buffer
	if err := v.Template().ExecuteTemplate(&b, "layout.html", frame{Request: r, Title: v.Title, Section: v.Section, Data: v.Data}); err != nil {
		return nil, fmt.Errorf("show %q: %w", v.Title, err)
	}
	m := newMade(b.Bytes())
	if r.timed {
		m.at = r.minute()
	}
	return m, nil
}

func (v View) respond(w http.ResponseWriter, r *Request) error {
	m, err := v.make(r)
	if err != nil {
		return err
	}
	if v.status == 0 {
		m.send(w, r)
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", pageType)
	h.Add("Vary", pageVary)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(m.body)))
	w.WriteHeader(v.status)
	_, _ = w.Write(m.body) // the reader has gone
	return nil
}

// lastPart is the end of an id that people know it by. The root of an account goes by its number.
func lastPart(id any) string {
	s := strings.TrimSuffix(strings.TrimRight(fmt.Sprint(id), "/:"), ":root")
	return s[strings.LastIndexAny(s, "/:")+1:]
}

// called is what people call a resource in a list: its name, of one that is a whole path the end.
func called(r demarc.Resource) string {
	switch {
	case r.Name == "":
		return lastPart(r.ID)
	case strings.Count(r.Name, "/") > 1:
		return lastPart(r.Name)
	default:
		return r.Name
	}
}

// shownFact is the value of a fact as it may be shown, or why there is none.
func shownFact(f demarc.NamedFact) string {
	if !f.Fact.Known() {
		return "unknown: " + f.Fact.Origin.String()
	}
	text := f.Shown().String()
	if text == "" {
		text = `""`
	}
	if f.Fact.Origin != demarc.Read {
		text += " (" + f.Fact.Origin.String() + ")"
	}
	return text
}

// unread says why a fact that was asked for is not known. One that was read may be so in part.
func unread(origin string) string {
	if origin == demarc.Read.String() {
		return "A part of it is not known"
	}
	return capital(origin)
}

// joined is the elements of a list with commas between them.
func joined(list any) string {
	v := reflect.ValueOf(list)
	out := make([]string, v.Len())
	for i := range out {
		out[i] = fmt.Sprint(v.Index(i))
	}
	return strings.Join(out, ", ")
}

// dict makes a map of pairs, for a part that takes several values.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict of %d values", len(pairs))
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m, nil
}

// host is the host of an address: "docs.aws.amazon.com".
func host(url string) string {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	h, _, _ := strings.Cut(rest, "/")
	return h
}
