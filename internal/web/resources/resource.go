package resources

import (
	"context"
	"slices"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Reader is what the page of a resource reads.
type Reader interface {
	Answer(ctx context.Context, at demarc.At, id demarc.ResourceID) (demarc.StoredAnswer, error)
	Versions(ctx context.Context, organization string, id demarc.ResourceID) ([]demarc.Version, error)
}

// Explainer is what the page asks of the catalog.
type Explainer interface {
	// Checks describes the checks of a service.
	Checks(service demarc.ServiceID) []Check
	// Settings lists the facts of a service that may move its line, or decide a check.
	Settings(service demarc.ServiceID) []Setting
	// WhatIf answers for a resource as it is, and as it would be with one other setting. Both are worked out the same
	// way, so that what differs is due to the setting alone. A value that does not fit the setting is a mistake.
	WhatIf(ctx context.Context, at demarc.At, a *demarc.StoredAnswer, setting, value string) (is, would demarc.Answer, err error)
}

// Check describes a check.
type Check struct {
	ID                  string // "aws/rds/public-access"
	Title               string
	Duty                demarc.DutyID
	Fix, CLI, Terraform string
	URL, Section        string
}

// Setting describes a fact that decides something.
type Setting struct {
	Name    string
	About   string
	Options []string // that it may have; nil for anything of Type
	Type    demarc.Type
	Lines   []string // that read it
}

type resourceData struct {
	demarc.StoredAnswer
	Title    string
	Layers   []layer
	Open     []demarc.DutyAnswer // duties with a gap that somebody can act on, worst first
	Quiet    int                 // duties that nobody has looked at
	Versions []demarc.Version
	Settings []settingRow
	WhatIf   *whatIf
	checks   map[string]Check
}

type layer struct {
	Layer   demarc.Layer
	Duties  []row
	Bar     web.Bar
	Parties []demarc.Party // who holds a part of it, each once
}

// row is one duty of the stack, with its piece of the line.
type row struct {
	demarc.DutyAnswer
	Stair
	Ground string // why, in a sentence
	Facts  []demarc.NamedFact
}

// Stair is one step of the line: theirs to the left of X, yours to the right of it. All are in percent.
type Stair struct {
	X, Before      float64
	First          bool
	Left, Right    demarc.Holder // "" for nothing there
	LeftTone, Tone web.Tone
	LeftName       string // who is there, as far as there is room
	RightName      string
}

type settingRow struct {
	Setting
	Fact  demarc.NamedFact
	Known bool // the resource has it
}

// Others are the values that the setting may have and has not.
func (s settingRow) Others() []string {
	if !s.Known || !s.Fact.Fact.Known() {
		return s.Options
	}
	is := s.Fact.Shown().String()
	return slices.DeleteFunc(slices.Clone(s.Options), func(v string) bool { return v == is })
}

// fold is some of the settings.
type fold struct {
	Title    string
	Settings []settingRow
	Open     bool
}

// Folds are the settings that may move the line, and those that only decide a check.
func (d *resourceData) Folds() []fold {
	move, prove := fold{Title: "Settings that may move the line", Open: true}, fold{Title: "Settings that only decide a check"}
	for _, s := range d.Settings {
		if len(s.Lines) > 0 {
			move.Settings = append(move.Settings, s)
		} else {
			prove.Settings = append(prove.Settings, s)
		}
	}
	prove.Open = move.Settings == nil
	return []fold{move, prove}
}

type whatIf struct {
	Setting, Value string
	Mistake        string
	Changes        []change
	Checks         []checkChange
}

// checkChange is a check that would come to something else.
type checkChange struct {
	Check    Check
	Is, Then demarc.CheckResult
}

type change struct {
	Duty     demarc.DutyID
	Is, Then demarc.DutyAnswer
	Because  string
}

func (p Page) resource(r *web.Request) (web.Response, error) {
	if len(r.Filter.IDs) != 1 {
		return nil, web.Mistake("the address needs the id of one resource: /resource?id=ID")
	}
	a, err := p.Reader.Answer(r.Context(), r.At, r.Filter.IDs[0])
	if err != nil {
		return nil, err
	}
	d := resourceData{StoredAnswer: a, Title: a.Name, checks: map[string]Check{}}
	if d.Title == "" {
		d.Title = string(a.ID)
	}
	if d.Versions, err = p.Reader.Versions(r.Context(), r.At.Organization, a.ID); err != nil {
		return nil, err
	}
	for _, c := range p.Explainer.Checks(a.Service) {
		d.checks[c.ID] = c
	}
	d.stack(r.Provider)
	for _, s := range p.Explainer.Settings(a.Service) {
		f, ok := a.Answer.Fact(s.Name)
		d.Settings = append(d.Settings, settingRow{Setting: s, Fact: f, Known: ok})
	}
	if name := r.Value("set"); name != "" {
		d.WhatIf = p.whatIf(r, &d, name, r.Value("to"))
	}
	return web.View{Title: d.Title, Section: "resources", Template: resourcePage, Data: &d}, nil
}

func (p Page) whatIf(r *web.Request, d *resourceData, name, value string) *whatIf {
	w := &whatIf{Setting: name, Value: value}
	is, would, err := p.Explainer.WhatIf(r.Context(), r.At, &d.StoredAnswer, name, value)
	if err != nil {
		w.Mistake = err.Error()
		return w
	}
	for i := range demarc.Duties {
		x, y := is.Duty(i), would.Duty(i)
		if x.Holder == y.Holder && x.State == y.State && slices.Equal(x.Parties, y.Parties) {
			continue
		}
		w.Changes = append(w.Changes, change{Duty: x.Duty, Is: x, Then: y, Because: y.Ground()})
	}
	if is.Standing == nil || would.Standing == nil {
		return w
	}
	for _, now := range is.Checks {
		i := slices.IndexFunc(would.Checks, func(c demarc.CheckOutcome) bool { return c.ID == now.ID })
		if i >= 0 && would.Checks[i].Result != now.Result {
			w.Checks = append(w.Checks, checkChange{d.CheckOf(now.ID), now.Result, would.Checks[i].Result})
		}
	}
	return w
}

// stack turns the duties into layers, from the top of the stack to its ground, and draws the line through them.
func (d *resourceData) stack(title func(party any) string) {
	by := map[demarc.Layer][]row{}
	for duty := range d.Answer.Duties {
		switch gap := duty.Gap(); {
		case duty.Holder == demarc.NotApplicable:
			continue
		case gap == demarc.GapUnverified:
			d.Quiet++
		case gap != "":
			d.Open = append(d.Open, *duty)
		}
		by[duty.Duty.Layer()] = append(by[duty.Duty.Layer()], row{DutyAnswer: *duty, Ground: duty.Ground(), Facts: d.Answer.Because(duty)})
	}
	slices.SortStableFunc(d.Open, func(a, b demarc.DutyAnswer) int { return int(b.Severity()) - int(a.Severity()) })
	before, first := 0.0, true
	above := -1.0
	for _, l := range slices.Backward(demarc.Layers) {
		rows := by[l]
		if rows == nil {
			continue
		}
		held := layer{Layer: l, Duties: rows}
		tallies := web.Tallies{}
		for i := range rows {
			x := &rows[i]
			x.Stair = stair(&x.DutyAnswer, before, first)
			x.name(x.Parties, title)
			before, first = x.X, false
			tallies.Add(x.Holder, x.Tone, 1)
			for _, p := range x.Parties {
				if !slices.Contains(held.Parties, p) {
					held.Parties = append(held.Parties, p)
				}
			}
		}
		held.Bar = tallies.Bar()
		held.Bar.Edge.Drawn = true
		if held.Bar.Edge.Above = above; above < 0 {
			held.Bar.Edge.Above = held.Bar.Edge.X
		}
		above = held.Bar.Edge.X
		d.Layers = append(d.Layers, held)
	}
}

// The places of the line: yours alone, shared, theirs alone.
const (
	oursAt   = 4
	sharedAt = 50
	theirsAt = 96
)

func stair(d *demarc.DutyAnswer, before float64, first bool) Stair {
	s := Stair{Before: before, First: first, Tone: web.ToneOf(d.State)}
	switch d.Holder {
	case demarc.HeldByCustomer:
		s.X, s.Right = oursAt, d.Holder
	case demarc.HeldShared:
		s.X, s.Left, s.Right, s.LeftTone = sharedAt, demarc.HeldByProvider, demarc.HeldByCustomer, web.ToneOf(d.Counterpart)
	default:
		s.X, s.Left, s.LeftTone = theirsAt, d.Holder, s.Tone
	}
	if first {
		s.Before = s.X
	}
	return s
}

// name writes the parties into the picture: by title where there is room, else by id, else by the letter of the holder.
func (s *Stair) name(parties []demarc.Party, title func(party any) string) {
	const all, half = 28, 13 // characters
	room := all
	if s.Left != "" && s.Right != "" {
		room = half
	}
	for _, p := range parties {
		name, to := title(p), &s.LeftName
		switch {
		case p == demarc.Self:
			name, to = "You", &s.RightName
		case p == demarc.Nobody:
			name = "Nobody"
		case len(name) > room:
			name = string(p)
		}
		switch joined := *to + ", " + name; {
		case len(name) > room:
		case *to == "":
			*to = name
		case len(joined) <= room:
			*to = joined
		}
	}
}

// From is where the horizontal piece of the line begins, To where it ends.
func (s Stair) From() float64 { return min(s.X, s.Before) }

// To is where the horizontal piece of the line ends.
func (s Stair) To() float64 { return max(s.X, s.Before) }

// Rest is the width of what is right of the line.
func (s Stair) Rest() float64 { return 100 - s.X }

// LeftMiddle is the middle of what is left of the line.
func (s Stair) LeftMiddle() float64 { return s.X / 2 }

// RightMiddle is the middle of what is right of the line.
func (s Stair) RightMiddle() float64 { return s.X + s.Rest()/2 }

// Last is the last step of the basis.
func (r row) Last() demarc.Basis {
	if len(r.Basis) == 0 {
		return demarc.Basis{}
	}
	return r.Basis[len(r.Basis)-1]
}

// CheckOf describes a check.
func (d *resourceData) CheckOf(id string) Check {
	c, ok := d.checks[id]
	if !ok {
		c = Check{ID: id, Title: id}
	}
	return c
}

// Failing lists the checks of a duty that fail or cannot be told.
func (d *resourceData) Failing(a demarc.DutyAnswer) []demarc.CheckOutcome {
	var out []demarc.CheckOutcome
	for _, c := range a.Checks {
		if c.Result == demarc.CheckFail || c.Result == demarc.CheckUnknown {
			out = append(out, c)
		}
	}
	return out
}

// Evidence lists what the state of a duty rests on besides checks.
func (r row) Evidence() []string {
	var out []string
	add := func(kind, id string) {
		if id != "" {
			out = append(out, kind+" "+id)
		}
	}
	add("attestation", r.Attestation)
	add("report", r.Assurance)
	for _, id := range r.Excepted {
		add("exception", id)
	}
	for _, id := range r.Verdict.Evidence {
		add("evidence", id)
	}
	return out
}

// Short is the name of a check within its service.
func (c Check) Short() string { return c.ID[strings.LastIndexByte(c.ID, '/')+1:] }
